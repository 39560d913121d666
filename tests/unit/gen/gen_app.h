/* gen_app.h - apps in a temporary folder for the tests of gen: copied from app/, changed, compiled.
 */
#ifndef PD_TEST_GEN_APP_H
#define PD_TEST_GEN_APP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gen/gen.h"
#include "gen/sql.h"

struct app {
    char dir[64]; /* temporary; removed by app_close */
    struct pd_arena arena;
    struct pd_buf said; /* what was reported, with paths relative to the app */
    struct gen g;
};

void app_begin(struct app *a); /* without modules */
void app_open(struct app *a);  /* modules crew and shop, with what app/ holds */
void app_close(struct app *a);
void app_write(struct app *a, const char *name, pd_str text); /* "modules/shop/queries.sql" */
pd_str app_read(struct app *a, const char *name);             /* null if it is not there */
void app_run(struct app *a);                            /* reads as gen does, without templates */
void app_emit(struct app *a);                           /* writes <dir>/out */
pd_str file_text(struct app *a, pd_str path);           /* null if it is not there */
pd_str source_file(struct app *a, const char *name);    /* beside the tests */
int run_program(const char *const *argv, bool quietly); /* its exit code */

#endif
