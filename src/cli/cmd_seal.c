/* cmd_seal.c - pando seal: one object of a module's, with only its public symbols. */
#include "check/check.h"
#include "cli/cli.h"

static int run(struct cli_args *args)
{
    const char *app = cli_option(args, "--app");
    struct check_seal seal = { .module = cli_option(args, "--module"),
                               .out = cli_option(args, "--out"),
                               .objects = args->words,
                               .nobjects = (size_t)args->nwords };
    if (!seal.module || !seal.out)
        return cli_usage_error(args->command, "it needs --module and --out");
    struct check k;
    check_init(&k, &(struct check_opts){ .app = pd_str_c(app ? app : ".") });
    pd_err e = check_seal(&k, &seal);
    int code = e == PD_OK ? CLI_OK : cli_complain(args->command, e);
    check_fini(&k);
    return code;
}

const struct cli_command cmd_seal = {
    .name = "seal",
    .usage = "--module NAME --out FILE OBJECT…",
    .doc = "join a module's objects; what is private to it does not link from outside",
    .group = CLI_WORK,
    .min_words = 1,
    .max_words = -1,
    .options = (const struct cli_opt[]){ { "--app", "DIR", "the app; default: here" },
                                         { "--module", "NAME", "a folder of modules/" },
                                         { "--out", "FILE", "the object that is made" },
                                         { 0 } },
    .help = "Builds do this before they link (share/app.mk).\n"
            "\n"
            "  pando seal --module ledger --out build/ledger.o build/modules/ledger/*.o\n",
    .run = run,
};
