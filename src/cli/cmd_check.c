/* cmd_check.c - pando check: the don'ts of an app are errors. */
#include "check/check.h"
#include "cli/cli.h"

#include <stdlib.h>

static int run(struct cli_args *args)
{
    const char *app = cli_option(args, "--app");
    struct check k;
    if (cli_option(args, "--only") && cli_option(args, "--todo"))
        return cli_usage_error(args->command, "--todo is for all findings, --only for some");
    check_init(&k, &(struct check_opts){ .app = pd_str_c(app ? app : "."),
                                         .postgres = pd_str_c(getenv("PANDO_POSTGRES")),
                                         .no_build = cli_option(args, "--no-build"),
                                         .json = cli_option(args, "--json"),
                                         .only = cli_option(args, "--only"),
                                         .write_todo = cli_option(args, "--todo") });
    pd_err e = check_run(&k);
    int code = CLI_WRONG;
    if (e == PD_OK)
        code = check_print(&k, stdout, stderr) ? CLI_WRONG : CLI_OK;
    else
        cli_complain(args->command, e);
    check_fini(&k);
    return code;
}

const struct cli_command cmd_check = {
    .name = "check",
    .usage = "[--app DIR] [--json] [--todo] [--no-build] [--only CODE]",
    .doc = "refuse what does not scale: state, N+1, blocking calls, missing indexes, coupling",
    .group = CLI_WORK,
    .options =
        (const struct cli_opt[]){
            { "--app", "DIR", "the app: the folder that contains modules/; default: here" },
            { "--json", NULL, "print the findings as JSON" },
            { "--todo", NULL, "write check.todo if there is none, or if it gets shorter" },
            { "--no-build", NULL, "trust the objects that are there" },
            { "--only", "CODE", "look at findings of this code alone, and at no check.todo" },
            { 0 } },
    .help = "Exit code 1 if anything is found. `pando explain CODE` says more about a finding.\n"
            "\n"
            "  pando check             in the app's folder\n"
            "  pando check --todo      an old app: note what is wrong today, refuse what is new\n",
    .run = run,
};
