/* test.h - what the runner (test.c) and the client of tests (test_client.c) share. Private. */
#ifndef PD_APP_TEST_H
#define PD_APP_TEST_H

#include "app/serve.h"
#include "http/client.h"
#include <pando/test.h>

struct pd_test {
    const struct pd_app *app;
    const struct pd_test_entry *entry;
    const char *const *settings;
    const char *dir; /* of this test alone; removed afterwards */
    struct pd_instance *instance;
    struct pd_http_client *http;
    struct pd_arena arena;
    struct pd_ctx ctx;
    bool has_ctx;
    int port;
};

#endif
