/* cmd_completion.c - pando completion: for bash, zsh and fish, made of the commands' own tables. */
#include "cli/cli.h"

#include <stdio.h>

/* Single quotes in a help line would end the shell's: they become typographic ones. */
static void put_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("\xe2\x80\x99", stdout);
        else
            putchar(*text);
    }
}

static void put_words(const struct cli_command *c)
{
    for (const struct cli_opt *o = c->options; o && o->name; o++)
        printf(" %s", o->name);
    printf(" --help%s%s", c->words ? " " : "", c->words ? c->words : "");
}

/* --- bash ------------------------------------------------------------------------------------- */

static void bash(void)
{
    puts("# bash completion for pando: source <(pando completion bash)\n"
         "_pando() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
         "    if [ \"$COMP_CWORD\" = 1 ]; then");
    printf("        words='");
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        printf("%s%s", c == cli_commands ? "" : " ", (*c)->name);
    puts("'\n    else\n        case ${COMP_WORDS[1]} in");
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        printf("        %s) words='", (*c)->name);
        put_words(*c);
        puts("' ;;");
    }
    puts("        esac\n    fi\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -o default -F _pando pando");
}

/* --- zsh -------------------------------------------------------------------------------------- */

static void zsh(void)
{
    puts("#compdef pando\n"
         "# zsh completion for pando: source <(pando completion zsh)\n"
         "_pando() {\n"
         "    local -a commands\n"
         "    commands=(");
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        printf("        '%s:", (*c)->name);
        put_text((*c)->doc);
        puts("'");
    }
    puts("    )\n"
         "    if (( CURRENT == 2 )); then\n"
         "        _describe command commands\n"
         "        return\n"
         "    fi\n"
         "    case $words[2] in");
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        printf("    %s) compadd --", (*c)->name);
        put_words(*c);
        puts(" ;;");
    }
    puts("    esac\n"
         "    _files\n"
         "}\n"
         "compdef _pando pando");
}

/* --- fish ------------------------------------------------------------------------------------- */

static void fish_command(const struct cli_command *c)
{
    printf("complete -c pando -n __fish_use_subcommand -a %s -d '", c->name);
    put_text(c->doc);
    puts("'");
    for (const struct cli_opt *o = c->options; o && o->name; o++) {
        printf("complete -c pando -n '__fish_seen_subcommand_from %s' -l %s%s -d '", c->name,
               o->name + 2, o->value ? " -r" : "");
        put_text(o->doc);
        puts("'");
    }
    if (c->words)
        printf("complete -c pando -n '__fish_seen_subcommand_from %s' -a '%s'\n", c->name,
               c->words);
}

static void fish(void)
{
    puts("# fish completion for pando: pando completion fish | source");
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        fish_command(*c);
}

static int run(struct cli_args *args)
{
    const char *shell = args->words[0];
    if (strcmp(shell, "bash") == 0)
        bash();
    else if (strcmp(shell, "zsh") == 0)
        zsh();
    else if (strcmp(shell, "fish") == 0)
        fish();
    else
        return cli_usage_error(args->command, "shell \"%s\" is not known", shell);
    return CLI_OK;
}

const struct cli_command cmd_completion = {
    .name = "completion",
    .usage = "bash | zsh | fish",
    .doc = "print the shell's completion of this tool",
    .group = CLI_HELP,
    .min_words = 1,
    .max_words = 1,
    .words = "bash zsh fish",
    .help = "An installed pando has installed it already. By hand:\n"
            "\n"
            "  source <(pando completion bash)          in ~/.bashrc\n"
            "  source <(pando completion zsh)           in ~/.zshrc, behind compinit\n"
            "  pando completion fish | source           in ~/.config/fish/config.fish\n",
    .run = run,
};
