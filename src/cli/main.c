/* main.c - the `pando` tool: the developer's side of the platform.
 *
 * A new command: write cmd_NAME.c (see cli.h), add it to meson.build, and add a row to each of the
 * two lists here.
 */
#include "cli/cli.h"

#include <stdio.h>

/* One a line in both lists, so that two people can add one each. */
/* clang-format off */
extern const struct cli_command
    cmd_new,
    cmd_dev,
    cmd_generate,
    cmd_build,
    cmd_test,
    cmd_migrate,
    cmd_db,
    cmd_gen,
    cmd_check,
    cmd_seal,
    cmd_routes,
    cmd_modules,
    cmd_doctor,
    cmd_completion,
    cmd_explain,
    cmd_share,
    cmd_version,
    cmd_help;

const struct cli_command *const cli_commands[] = {
    &cmd_new,
    &cmd_dev,
    &cmd_generate,
    &cmd_build,
    &cmd_test,
    &cmd_migrate,
    &cmd_db,
    &cmd_gen,
    &cmd_check,
    &cmd_seal,
    &cmd_routes,
    &cmd_modules,
    &cmd_doctor,
    &cmd_completion,
    &cmd_explain,
    &cmd_share,
    &cmd_version,
    &cmd_help,
    NULL,
};
/* clang-format on */

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static int unknown(struct pd_arena *arena, const char *name)
{
    pd_str names[sizeof cli_commands / sizeof *cli_commands];
    size_t n = 0;
    for (; cli_commands[n]; n++)
        names[n] = pd_str_c(cli_commands[n]->name);
    fprintf(stderr, "pando: there is no command \"%s\"\n  remedy: %s\n", name,
            cli_did_you_mean(arena, name, names, n, "see `pando help`"));
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    struct pd_arena arena;
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "tool", .budget = 256 << 20 });
    const char *name = argc < 2 ? "help" : argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct cli_command *command = cli_command_find(name);
    int code = !command   ? unknown(&arena, name)
               : argc < 2 ? cli_run(&arena, command, 1, (char *[]){ "help", NULL })
                          : cli_run(&arena, command, argc - 1, argv + 1);
    pd_arena_fini(&arena);
    return code;
}
