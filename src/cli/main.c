/* main.c - the `pando` tool: the developer's side of the platform.
 *
 * Each command is a row in the table below: a name, what follows it, one line of help, a function.
 * Exit codes: 0 done, 1 the sources have errors, 2 wrong usage, else the code of the error
 * (err.def).
 */
#include "gen/gen.h"

#include <stdio.h>

#define PANDO_VERSION "0.1.0"

struct command {
    const char *name, *usage, *doc;
    int (*run)(int argc, char **argv);
};

static const struct command *commands(size_t *n);

static int usage_error(const char *what, const char *which)
{
    fprintf(stderr, "pando: %s%s%s\n  remedy: see `pando --help`\n", what, which ? " " : "",
            which ? which : "");
    return 2;
}

/* --- gen ----------------------------------------------------------------------------------- */

/* "--app DIR" or "--app=DIR" at argv[*i]; NULL if it is another word. */
static const char *option(const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (argv[*i][n] || *i + 1 >= argc)
        return NULL;
    return argv[++*i];
}

static int report(struct gen *g, pd_err e)
{
    if (e == PD_OK)
        return 0;
    const struct pd_diag *d = pd_diag();
    fprintf(stderr, "pando gen: %s%s%s\n", d->message, d->hint[0] ? "\n  remedy: " : "", d->hint);
    return g->errors ? 1 : pd_err_exit(e);
}

static int run_gen(int argc, char **argv)
{
    struct gen_opts opts = { 0 };
    for (int i = 1; i < argc; i++) {
        const char *app = option("--app", argc, argv, &i);
        const char *out = app ? NULL : option("--out", argc, argv, &i);
        if (app)
            opts.app = pd_str_c(app);
        else if (out)
            opts.out = pd_str_c(out);
        else if (strcmp(argv[i], "--check") == 0)
            opts.check = true;
        else
            return usage_error("gen does not know (or needs a value for)", argv[i]);
    }
    if (!opts.app.len)
        return usage_error("gen needs", "--app DIR");
    if (!opts.out.len && !opts.check)
        return usage_error("gen needs", "--out DIR (or --check)");
    struct gen g;
    gen_init(&g);
    int code = report(&g, gen_run(&g, &opts));
    gen_fini(&g);
    return code;
}

/* --- the rest ------------------------------------------------------------------------------ */

static int run_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    puts("pando " PANDO_VERSION);
    return 0;
}

static int run_help(int argc, char **argv)
{
    size_t n;
    const struct command *all = commands(&n);
    (void)argc, (void)argv;
    puts("usage: pando COMMAND …\n");
    for (size_t i = 0; i < n; i++)
        printf("  %-8s %-34s %s\n", all[i].name, all[i].usage, all[i].doc);
    puts("\nErrors of your sources are printed as file:line:column with a remedy.");
    return 0;
}

static const struct command *commands(size_t *n)
{
    static const struct command all[] = {
        { "gen", "--app DIR --out DIR [--check]", "make C from SQL, structs, templates and assets",
          run_gen },
        { "version", "", "print the version", run_version },
        { "help", "", "print this", run_help },
    };
    *n = sizeof(all) / sizeof(*all);
    return all;
}

int main(int argc, char **argv)
{
    size_t n;
    const struct command *all = commands(&n);
    if (argc < 2)
        return usage_error("a command is missing", NULL);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, name) == 0)
            return all[i].run(argc - 1, argv + 1);
    }
    return usage_error("unknown command", argv[1]);
}
