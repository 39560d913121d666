/* args.h - options of FinFlow's own commands.
 *
 *     struct arg args[] = {
 *         { "--users", ARG_COUNT, &users },
 *         { "--demo", ARG_FLAG, &demo },
 *     };
 *     if (!args_read("seed", argc, argv, args, 2, &rest))
 *         return 64;                                  // it has said what is wrong, in one line
 *
 * Takes "--name value" and "--name=value". Nothing yields.
 */
#ifndef FINFLOW_ARGS_H
#define FINFLOW_ARGS_H

#include <pando/base.h>

enum arg_kind {
    ARG_FLAG,  /* bool * */
    ARG_COUNT, /* int64_t *: 0 … 10^12 */
    ARG_TEXT,  /* pd_str * */
    ARG_DATE,  /* pd_date * */
};

struct arg {
    const char *name;
    enum arg_kind kind;
    void *out;
};

/* Fills what is given. `*file` is the one argument that is no option; NULL: none is allowed. */
bool args_read(const char *command, int argc, char **argv, const struct arg *args, size_t n,
               pd_str *file);

#endif
