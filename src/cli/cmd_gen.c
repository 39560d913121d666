/* cmd_gen.c - pando gen: C from the app's SQL, structs, templates and assets. */
#include "cli/cli.h"
#include "gen/gen.h"

#include <stdio.h>
#include <stdlib.h>

static int report(const struct cli_command *command, struct gen *g, pd_err e)
{
    if (e == PD_OK)
        return CLI_OK;
    int code = cli_complain(command, e);
    return g->errors ? CLI_WRONG : code;
}

static int run(struct cli_args *args)
{
    const char *app = cli_option(args, "--app"), *out = cli_option(args, "--out");
    struct gen_opts opts = { .app = pd_str_c(app),
                             .out = pd_str_c(out),
                             .name = pd_str_c(cli_option(args, "--name")),
                             .postgres = pd_str_c(getenv("PANDO_POSTGRES")),
                             .check = cli_option(args, "--check") };
    if (!app)
        return cli_usage_error(args->command, "it needs to know the app's folder: --app DIR");
    if (!out && !opts.check)
        return cli_usage_error(args->command, "it needs to know where the C goes: --out DIR");
    struct gen g;
    gen_init(&g);
    int code = report(args->command, &g, gen_run(&g, &opts));
    gen_fini(&g);
    return code;
}

const struct cli_command cmd_gen = {
    .name = "gen",
    .usage = "--app DIR --out DIR [--name NAME] [--check]",
    .doc = "make C from SQL, structs, templates and assets",
    .group = CLI_WORK,
    .options =
        (const struct cli_opt[]){
            { "--app", "DIR", "the app: the folder that contains modules/" },
            { "--out", "DIR", "where the C goes; made if absent" },
            { "--name", "NAME", "the app's name in C; default: that of its folder" },
            { "--check", NULL, "write nothing; fail if something is wrong or pando.lock is old" },
            { 0 } },
    .help = "Errors of your sources are printed as file:line:column with a remedy.\n"
            "\n"
            "With PANDO_POSTGRES=URL (of a superuser) a server describes and plans all statements, "
            "too; it\n"
            "is left as it was.\n"
            "\n"
            "  pando gen --app . --out build/gen     what every build does first\n"
            "  pando gen --app . --check             in CI: is pando.lock what the sources say?\n",
    .run = run,
};
