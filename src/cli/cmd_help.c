/* cmd_help.c - pando help, pando version. */
#include "cli/cli.h"

#include <stdio.h>

static int help_of(struct cli_args *args, const char *name)
{
    const struct cli_command *command = cli_command_find(name);
    if (!command)
        return cli_usage_error(args->command, "there is no command \"%s\"", name);
    cli_print_help(command);
    return CLI_OK;
}

static int run_help(struct cli_args *args)
{
    static const char *const headings[] = { "Begin", "Work", "Look", "Help" };
    if (args->nwords)
        return help_of(args, args->words[0]);
    puts("pando: web applications in C\n\nusage: pando COMMAND [ARGUMENTS]");
    for (enum cli_group group = CLI_BEGIN; group <= CLI_HELP; group++) {
        bool first = true;
        for (const struct cli_command *const *c = cli_commands; *c; c++) {
            if ((*c)->group != group)
                continue;
            printf("%s%s%s", first ? "\n" : "", first ? headings[group] : "", first ? "\n" : "");
            printf("  %-12s%s\n", (*c)->name, (*c)->doc);
            first = false;
        }
    }
    puts("\n`pando COMMAND --help` says more, with examples.");
    return CLI_OK;
}

static int run_version(struct cli_args *args)
{
    (void)args;
    puts("pando " PANDO_VERSION);
    return CLI_OK;
}

const struct cli_command cmd_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .doc = "print this, or the help of a command",
    .group = CLI_HELP,
    .max_words = 1,
    .help = "  pando help            all commands\n"
            "  pando help gen        the same as pando gen --help\n",
    .run = run_help,
};

const struct cli_command cmd_version = {
    .name = "version",
    .usage = "",
    .doc = "print the version",
    .group = CLI_HELP,
    .help = "  pando version         \"pando " PANDO_VERSION "\"\n",
    .run = run_version,
};
