/* cli.h - what every command of the `pando` tool is made of.
 *
 * A command is one file, cmd_NAME.c, that defines one `const struct cli_command cmd_NAME`; main.c
 * lists them. What stands in the struct is all there is to know about it: usage, options and help
 * are printed from it, mistakes in a command line are found by it, and completion is written from
 * it.
 *
 *     static int run(struct cli_args *args)
 *     {
 *         const char *name = args->words[0];
 *         if (cli_option(args, "--quiet"))
 *             …
 *         return 0;
 *     }
 *     const struct cli_command cmd_greet = {
 *         .name = "greet", .usage = "NAME [--quiet]", .doc = "say hello to NAME",
 *         .min_words = 1, .max_words = 1,
 *         .options = (const struct cli_opt[]){ { "--quiet", NULL, "without the exclamation mark" },
 *                                              { 0 } },
 *         .help = "  pando greet Ada         say hello to Ada\n",
 *         .run = run,
 *     };
 *
 * Exit codes: 0 done, 1 the author's sources have errors, 2 wrong usage, else the code of the
 * error (err.def). Output goes to standard output, complaints to standard error. One thread.
 */
#ifndef PD_CLI_H
#define PD_CLI_H

#include <pando/base.h>

enum { CLI_OK = 0, CLI_WRONG = 1, CLI_USAGE = 2 };

struct cli_opt {
    const char *name;  /* "--out" */
    const char *value; /* what follows it, as help shows it: "DIR", "FILE", "N"; NULL: a flag */
    const char *doc;   /* one line */
};

struct cli_args {
    const struct cli_command *command;
    struct pd_arena *arena; /* lives until the tool ends: nothing taken from it needs freeing */
    const char **words;     /* what is neither option nor option's value */
    int nwords;
    char **rest; /* behind "--", untouched */
    int nrest;
    const char **values; /* private: one for each option of the command */
};

enum cli_group { CLI_BEGIN, CLI_WORK, CLI_LOOK, CLI_HELP }; /* headings of `pando help` */

struct cli_command {
    const char *name;
    const char *usage; /* behind the name: "NAME [--db sqlite]" */
    const char *doc;   /* one line */
    const char *help;  /* examples, one a line: "  pando new shop      a new app in ./shop\n" */
    enum cli_group group;
    int min_words, max_words;      /* max_words < 0: as many as one likes */
    const struct cli_opt *options; /* ends with { 0 }; NULL: none besides --help */
    const char *words;             /* what may stand at the first word, for completion: "a b c" */
    int (*run)(struct cli_args *args);
};

/* All commands in the order of `pando help`; ends with NULL. (main.c) */
extern const struct cli_command *const cli_commands[];
const struct cli_command *cli_command_find(const char *name); /* NULL if there is none */

/* Runs a command as if it had been typed: argv[0] is its name. Returns the exit code. */
int cli_run(struct pd_arena *arena, const struct cli_command *command, int argc, char **argv);

/* --- the command line (args.c) ---------------------------------------------------------------- */

/* The option's value; "" for a flag; NULL if it was not given. Asking for an option that is not in
 * the command's table panics. */
const char *cli_option(const struct cli_args *args, const char *name);

/* Prints usage, options and examples of a command on standard output. */
void cli_print_help(const struct cli_command *command);

/* --- complaints ------------------------------------------------------------------------------- */

/* "pando NAME: message", with the remedy on a line of its own. Both return the exit code. */
int cli_usage_error(const struct cli_command *command, const char *fmt, ...) PD_PRINTF(2, 3);
/* The diag of an error: its message, and its hint as remedy. */
int cli_complain(const struct cli_command *command, pd_err e);

/* "did you mean new?" if one of the names is near, else `otherwise`. */
const char *cli_did_you_mean(struct pd_arena *arena, const char *wanted, const pd_str *names,
                             size_t n, const char *otherwise);

/* --- places ----------------------------------------------------------------------------------- */

/* The folder of the tool's data files, which `pando share` prints: PREFIX/share/pando of an
 * installed tool, share/ of the source tree for one in its build folder. PD_ENOTFOUND if neither
 * is there. (cmd_share.c) */
pd_err cli_share_dir(struct pd_arena *arena, pd_str *dir) PD_MUST;
/* The folder the tool itself stands in. */
pd_err cli_own_dir(struct pd_arena *arena, pd_str *dir) PD_MUST;

#endif
