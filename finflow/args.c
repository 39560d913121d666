/* args.c - options of FinFlow's own commands. */
#include "args.h"

#include <stdio.h>

enum { COUNT_MAX_DIGITS = 12 };

static bool store(const struct arg *arg, pd_str value)
{
    switch (arg->kind) {
    case ARG_FLAG: return false;
    case ARG_TEXT: *(pd_str *)arg->out = value; return value.len > 0;
    case ARG_DATE: return pd_date_parse(value, arg->out);
    case ARG_COUNT:
        return value.len <= COUNT_MAX_DIGITS && pd_str_to_i64(value, arg->out) &&
               *(int64_t *)arg->out >= 0;
    }
    return false;
}

static const struct arg *find(const struct arg *args, size_t n, pd_str name)
{
    for (size_t i = 0; i < n; i++)
        if (pd_str_eq(name, pd_str_c(args[i].name)))
            return &args[i];
    return NULL;
}

static bool wrong(const char *command, const char *what, pd_str text)
{
    fprintf(stderr, "finflow %s: %s \"%.*s\"; see finflow %s --help\n", command, what, PD_ARG(text),
            command);
    return false;
}

bool args_read(const char *command, int argc, char **argv, const struct arg *args, size_t n,
               pd_str *file)
{
    for (int i = 1; i < argc; i++) {
        pd_str value = pd_str_c(argv[i]), name;
        if (!pd_str_starts(value, PD_STR("--"))) {
            if (!file || file->len)
                return wrong(command, "one argument too many:", value);
            *file = value;
            continue;
        }
        bool joined = pd_str_find(value, '=') != PD_NPOS;
        pd_str_split(&value, '=', &name);
        const struct arg *arg = find(args, n, name);
        if (!arg)
            return wrong(command, "unknown option", name);
        if (arg->kind == ARG_FLAG && !joined) {
            *(bool *)arg->out = true;
            continue;
        }
        if (!joined)
            value = ++i < argc ? pd_str_c(argv[i]) : PD_STR_NULL;
        if (!store(arg, value))
            return wrong(command, "wrong or missing value of", name);
    }
    return true;
}
