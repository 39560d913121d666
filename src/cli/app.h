/* app.h - the app one stands in, and the programs that are run for it.
 *
 *     struct cli_app app;
 *     PD_TRY(cli_app_find(arena, &app));                     // from the current folder upwards
 *     int code = cli_call(app.dir, (const char *[]){ "make", "build", NULL });
 *
 * An app is a folder with modules/ and a Makefile that has the targets build, program and test.
 */
#ifndef PD_CLI_APP_H
#define PD_CLI_APP_H

#include <pando/base.h>

struct cli_app {
    pd_str dir;    /* absolute */
    pd_str name;   /* what its Makefile calls APP, else the folder's name */
    pd_str symbol; /* the same as it stands in C: "my_shop" */
};

/* PD_ENOTFOUND, with a remedy, if the current folder is in no app. */
pd_err cli_app_find(struct pd_arena *a, struct cli_app *out) PD_MUST;

/* Runs a program in `dir` with this one's terminal and waits for it. The result is its exit code,
 * 128 + signal, or 127 if it could not be started. argv ends with NULL. */
int cli_call(pd_str dir, const char *const *argv);
/* The same, but takes what it prints on standard output (at most 1 MiB); *code is as above. */
pd_err cli_capture(struct pd_arena *a, pd_str dir, const char *const *argv, pd_str *out,
                   int *code) PD_MUST;
/* Whether there is a program of that name in PATH. */
bool cli_has_program(const char *name);

#endif
