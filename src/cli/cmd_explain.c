/* cmd_explain.c - pando explain: what a code means, from the pages of share/explain, offline.
 *
 * A file begins with "# PD-SQL: statements"; each of its codes has a section "## PD-SQL-012: no
 * such column". On a terminal the marks of Markdown would only be in the way: fences become the
 * name of the file they hold, and emphasis goes.
 */
#include "cli/cli.h"
#include "cli/files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_FILES = 64, MAX_CODES = 1024 };

struct book {
    pd_str texts[MAX_FILES];
    size_t ntexts;
    pd_str codes[MAX_CODES];
    size_t ncodes;
};

/* "## PD-SQL-012: no such column" -> "PD-SQL-012"; the colon may be missing */
static pd_str code_of(pd_str line)
{
    if (!pd_str_starts(line, PD_STR("## PD-")))
        return PD_STR_NULL;
    pd_str code = pd_str_sub(line, 3, PD_NPOS);
    code = pd_str_sub(code, 0, pd_str_find(code, ' '));
    code.len -= pd_str_ends(code, PD_STR(":"));
    return code;
}

static pd_str meaning_of(pd_str line, pd_str code)
{
    pd_str rest = pd_str_sub(line, 3 + code.len, PD_NPOS);
    return pd_str_trim(pd_str_sub(rest, pd_str_starts(rest, PD_STR(":")), PD_NPOS));
}

static void note_codes(struct book *b, pd_str text)
{
    pd_str line;
    while (pd_str_split(&text, '\n', &line) && b->ncodes < MAX_CODES) {
        b->codes[b->ncodes] = code_of(line);
        b->ncodes += b->codes[b->ncodes].len > 0;
    }
}

static int is_page(const struct dirent *e)
{
    return pd_str_ends(pd_str_c(e->d_name), PD_STR(".md"));
}

static pd_err open_book(struct pd_arena *a, struct book *b)
{
    pd_str share;
    PD_TRY(cli_share_dir(a, &share));
    pd_str dir = pd_str_fmt(a, "%.*s/explain", PD_ARG(share));
    struct dirent **names;
    int n = scandir(pd_str_cstr(a, dir), &names, is_page, alphasort);
    if (n < 0)
        return pd_hint(pd_fail(PD_ENOTFOUND, "there is no folder %.*s", PD_ARG(dir)),
                       "install pando anew");
    pd_err e = PD_OK;
    for (int i = 0; i < n; i++) {
        pd_str path = pd_str_fmt(a, "%.*s/%s", PD_ARG(dir), names[i]->d_name);
        free(names[i]);
        if (e != PD_OK || b->ntexts == MAX_FILES)
            continue;
        e = cli_read(a, path, &b->texts[b->ntexts]);
        if (e == PD_OK)
            note_codes(b, b->texts[b->ntexts++]);
    }
    free(names);
    return e;
}

/* --- printing -----------------------------------------------------------------------------------
 */

static void list_all(const struct book *b)
{
    for (size_t i = 0; i < b->ntexts; i++) {
        pd_str text = b->texts[i], line;
        while (pd_str_split(&text, '\n', &line)) {
            pd_str code = code_of(line);
            if (pd_str_starts(line, PD_STR("# ")))
                printf("%s%.*s\n", i ? "\n" : "", PD_ARG(pd_str_sub(line, 2, PD_NPOS)));
            else if (code.len)
                printf("  %-20.*s %.*s\n", PD_ARG(code), PD_ARG(meaning_of(line, code)));
        }
    }
    printf("\nOne of them at length: pando explain CODE\n");
}

static void print_without_stars(pd_str line)
{
    for (size_t at; (at = pd_str_find_str(line, PD_STR("**"))) != PD_NPOS;) {
        printf("%.*s", PD_ARG(pd_str_sub(line, 0, at)));
        line = pd_str_sub(line, at + 2, PD_NPOS);
    }
    printf("%.*s\n", PD_ARG(line));
}

/* "```sql file=modules/shop/queries.sql" -> "modules/shop/queries.sql:" */
static void print_fence(pd_str line)
{
    size_t at = pd_str_find_str(line, PD_STR("file="));
    if (at == PD_NPOS)
        return;
    pd_str name = pd_str_sub(line, at + 5, PD_NPOS);
    if (pd_str_starts(name, PD_STR("\"")))
        name = pd_str_sub(name, 1, name.len - 1);
    printf("  %.*s:\n", PD_ARG(name));
}

static void print_section(pd_str head, pd_str rest)
{
    pd_str line;
    bool inside = false;
    printf("%.*s\n", PD_ARG(pd_str_sub(head, 3, PD_NPOS)));
    rest.len -= pd_str_ends(rest, PD_STR("\n"));
    while (pd_str_split(&rest, '\n', &line)) {
        if (!inside && pd_str_starts(line, PD_STR("#")))
            return;
        if (pd_str_starts(line, PD_STR("```"))) {
            if (!inside)
                print_fence(line);
            inside = !inside;
        } else if (inside) {
            printf("    %.*s\n", PD_ARG(line));
        } else {
            print_without_stars(line);
        }
    }
}

static bool print_code(const struct book *b, pd_str wanted)
{
    for (size_t i = 0; i < b->ntexts; i++) {
        pd_str text = b->texts[i], line;
        while (pd_str_split(&text, '\n', &line)) {
            if (!pd_str_eq_nocase(code_of(line), wanted))
                continue;
            print_section(line, text);
            return true;
        }
    }
    return false;
}

/* --- the command ---------------------------------------------------------------------------------
 */

static pd_str upper(struct pd_arena *a, const char *word)
{
    pd_str s = pd_str_dup(a, pd_str_c(word));
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= 'a' && s.ptr[i] <= 'z')
            ((char *)(uintptr_t)s.ptr)[i] = (char)(s.ptr[i] - 32);
    return s;
}

/* "SQL-012" and "ECONFIG" are ends of a code: better than any likeness. */
static const char *nearest(struct cli_args *args, const struct book *b, pd_str wanted)
{
    for (size_t i = 0; i < b->ncodes; i++)
        if (wanted.len >= 3 && pd_str_ends(b->codes[i], wanted))
            return pd_str_cstr(args->arena,
                               pd_str_fmt(args->arena, "did you mean %.*s?", PD_ARG(b->codes[i])));
    return cli_did_you_mean(args->arena, pd_str_cstr(args->arena, wanted), b->codes, b->ncodes,
                            "`pando explain` lists all codes");
}

static int run(struct cli_args *args)
{
    struct book *b = pd_arena_new(args->arena, struct book);
    pd_err e = open_book(args->arena, b);
    if (e != PD_OK)
        return cli_complain(args->command, e);
    if (args->nwords == 0) {
        list_all(b);
        return CLI_OK;
    }
    pd_str wanted = upper(args->arena, args->words[0]);
    if (print_code(b, wanted))
        return CLI_OK;
    fprintf(stderr, "pando explain: there is no code \"%.*s\"\n  remedy: %s\n", PD_ARG(wanted),
            nearest(args, b, wanted));
    return CLI_USAGE;
}

const struct cli_command cmd_explain = {
    .name = "explain",
    .usage = "[CODE]",
    .doc = "what an error's code means, with an example and the remedy",
    .group = CLI_LOOK,
    .max_words = 1,
    .help = "  pando explain                 all codes\n"
            "  pando explain PD-SQL-040      one of them at length\n",
    .run = run,
};
