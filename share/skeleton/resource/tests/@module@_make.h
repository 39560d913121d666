/* @module@_make.h - a @words@ for tests, by way of the API. */
#ifndef @MODULE@_MAKE_H
#define @MODULE@_MAKE_H

#include "helpers.h"
@make includes@
static inline const char *@name@_json(struct pd_client *b, struct pd_test *t)
{
@make locals@    return pd_test_fmt(t, "{@json sample@}"@json args@);
}

static inline int64_t made_@name@(struct pd_client *b, struct pd_test *t)
{
    pd_client_json(b, "POST", "/api/@url@", @name@_json(b, t));
    PD_EXPECT_STATUS(b, 201);
    return pd_client_number(b, "id");
}

#endif
