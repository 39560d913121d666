/* cmd_modules.c - pando modules: who uses whom, from what was checked. */
#include "check/check.h"
#include "cli/cli.h"

/* A picture of what is wrong would be believed: findings about modules are told. */
static int told(const struct check *k)
{
    size_t n = 0;
    for (size_t i = 0; i < k->nfindings; i++)
        n += strncmp(k->findings[i].code, "PD-CHECK-05", 11) == 0 && !k->findings[i].known;
    if (n)
        fprintf(stderr, "pando modules: %zu edge%s not as declared\n  remedy: see `pando check`\n",
                n, n == 1 ? " is" : "s are");
    return n ? CLI_WRONG : CLI_OK;
}

static int run(struct cli_args *args)
{
    const char *app = cli_option(args, "--app");
    enum check_form form = cli_option(args, "--svg")    ? CHECK_SVG
                           : cli_option(args, "--json") ? CHECK_JSON
                                                        : CHECK_TEXT;
    struct check k;
    check_init(&k, &(struct check_opts){ .app = pd_str_c(app ? app : "."),
                                         .no_build = cli_option(args, "--no-build") });
    pd_err e = check_run(&k);
    if (e == PD_OK)
        e = check_modules_print(&k, form, stdout);
    int code = e == PD_OK ? told(&k) : cli_complain(args->command, e);
    check_fini(&k);
    return code;
}

const struct cli_command cmd_modules = {
    .name = "modules",
    .usage = "[--app DIR] [--svg | --json] [--no-build]",
    .doc = "show the app's modules and who uses whom",
    .group = CLI_LOOK,
    .options = (const struct cli_opt[]){ { "--app", "DIR", "the app; default: here" },
                                         { "--svg", NULL, "a picture" },
                                         { "--json", NULL, "for other programs" },
                                         { "--no-build", NULL, "trust the objects that are there" },
                                         { 0 } },
    .help = "One line for each module, the uppermost first: its name, then those that it uses.\n"
            "Exit code 1 if the modules differ from what module.conf declares.\n"
            "\n"
            "  pando modules\n"
            "  pando modules --svg > docs/modules.svg\n",
    .run = run,
};
