/* args.c - a command line against a command's table: options, help, complaints.
 *
 * Options may stand anywhere before "--", as "--out DIR" or "--out=DIR". --help and -h belong to
 * every command.
 */
#include "cli/cli.h"
#include "base/near.h"

#include <stdarg.h>
#include <stdio.h>

static int option_count(const struct cli_command *command)
{
    int n = 0;
    while (command->options && command->options[n].name)
        n++;
    return n;
}

/* Index of the option that `arg` names; `*value` is what stands behind its '=', or NULL. */
static int option_index(const struct cli_command *command, const char *arg, const char **value)
{
    for (int i = 0; i < option_count(command); i++) {
        size_t n = strlen(command->options[i].name);
        if (strncmp(arg, command->options[i].name, n) != 0 || (arg[n] && arg[n] != '='))
            continue;
        *value = arg[n] ? arg + n + 1 : NULL;
        return i;
    }
    return -1;
}

static int unknown_option(struct cli_args *args, const char *arg)
{
    int n = option_count(args->command);
    pd_str *names = pd_arena_new_n(args->arena, pd_str, (size_t)n + 1);
    for (int i = 0; i < n; i++)
        names[i] = pd_str_c(args->command->options[i].name);
    names[n] = PD_STR("--help");
    const char *own = args->command->name;
    pd_str otherwise = pd_str_fmt(args->arena, "see `pando %s --help`", own);
    fprintf(stderr, "pando %s: there is no option \"%s\"\n  remedy: %s\n", own, arg,
            cli_did_you_mean(args->arena, arg, names, (size_t)n + 1, otherwise.ptr));
    return CLI_USAGE;
}

/* Takes the option at argv[*i], and its value, which may be the word behind it. */
static int take_option(struct cli_args *args, int argc, char **argv, int *i)
{
    const char *value;
    int at = option_index(args->command, argv[*i], &value);
    if (at < 0)
        return unknown_option(args, argv[*i]);
    const struct cli_opt *o = &args->command->options[at];
    if (!o->value && value)
        return cli_usage_error(args->command, "%s takes no value", o->name);
    if (o->value && !value && (*i + 1 >= argc || strcmp(argv[*i + 1], "--") == 0))
        return cli_usage_error(args->command, "%s needs a value: %s %s", o->name, o->name,
                               o->value);
    if (o->value && !value)
        value = argv[++*i];
    args->values[at] = value ? value : "";
    return CLI_OK;
}

static int parse(struct cli_args *args, int argc, char **argv)
{
    const struct cli_command *c = args->command;
    args->words = pd_arena_new_n(args->arena, const char *, (size_t)argc + 1);
    args->values = pd_arena_new_n(args->arena, const char *, (size_t)option_count(c) + 1);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            args->rest = argv + i + 1;
            args->nrest = argc - i - 1;
            break;
        }
        if (argv[i][0] != '-' || !argv[i][1])
            args->words[args->nwords++] = argv[i];
        else if (take_option(args, argc, argv, &i) != CLI_OK)
            return CLI_USAGE;
    }
    if (args->nwords < c->min_words)
        return cli_usage_error(c, args->nwords ? "something is missing" : "it needs to know what");
    if (c->max_words >= 0 && args->nwords > c->max_words)
        return cli_usage_error(c, "\"%s\" is too much", args->words[c->max_words]);
    return CLI_OK;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int cli_run(struct pd_arena *arena, const struct cli_command *command, int argc, char **argv)
{
    if (asks_help(argc, argv)) {
        cli_print_help(command);
        return CLI_OK;
    }
    struct cli_args args = { .command = command, .arena = arena };
    int code = parse(&args, argc, argv);
    return code == CLI_OK ? command->run(&args) : code;
}

const char *cli_option(const struct cli_args *args, const char *name)
{
    const char *value;
    int at = option_index(args->command, name, &value);
    if (at < 0)
        pd_panic("pando %s has no option %s", args->command->name, name);
    return args->values[at];
}

/* --- help and complaints ---------------------------------------------------------------------- */

void cli_print_help(const struct cli_command *command)
{
    printf("pando %s: %s\n\nusage: pando %s %s\n", command->name, command->doc, command->name,
           command->usage);
    int n = option_count(command);
    if (n)
        puts("");
    for (int i = 0; i < n; i++) {
        const struct cli_opt *o = &command->options[i];
        int width = printf("  %s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("%*s%s\n", width < 24 ? 24 - width : 2, "", o->doc);
    }
    if (command->help)
        printf("\n%s", command->help);
}

int cli_usage_error(const struct cli_command *command, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    fprintf(stderr, "pando %s: ", command->name);
    vfprintf(stderr, fmt, list);
    va_end(list);
    fprintf(stderr, "\n  remedy: pando %s %s\n          `pando %s --help` has examples\n",
            command->name, command->usage, command->name);
    return CLI_USAGE;
}

int cli_complain(const struct cli_command *command, pd_err e)
{
    const struct pd_diag *d = pd_diag();
    fprintf(stderr, "pando %s: %s%s%s\n", command->name, d->message,
            d->hint[0] ? "\n  remedy: " : "", d->hint);
    return pd_err_exit(e);
}

const char *cli_did_you_mean(struct pd_arena *arena, const char *wanted, const pd_str *names,
                             size_t n, const char *otherwise)
{
    pd_str near = pd_nearest(pd_str_c(wanted), names, n);
    return near.len ? pd_str_fmt(arena, "did you mean %.*s?", PD_ARG(near)).ptr : otherwise;
}
