/* cmd_new.c - pando new NAME: a small working app from share/skeleton/app.
 *
 * The app is made beside its place and moved there when it is whole: a failure leaves nothing.
 */
#include "cli/cli.h"
#include "cli/files.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 40 };

/* Names C keeps for itself, and those of the app's own parts. */
static const char *const TAKEN[] = {
    "auto",   "break",  "case",  "char",     "const",   "default",  "do",     "double", "else",
    "enum",   "extern", "float", "for",      "goto",    "if",       "inline", "int",    "long",
    "main",   "pando",  "pd",    "register", "return",  "short",    "signed", "sizeof", "static",
    "struct", "switch", "test",  "union",    "typedef", "unsigned", "void",   "while"
};
/* The program lies in build/ beside these (share/app.mk). */
static const char *const BUILT[] = { "asan",    "built",   "debug",  "flags",   "gen",
                                     "modules", "release", "sealed", "sources", "tests" };

static pd_err check_name(pd_str name)
{
    bool good =
        name.len > 0 && name.len <= NAME_MAX_LEN && name.ptr[0] >= 'a' && name.ptr[0] <= 'z';
    for (size_t i = 0; i < name.len; i++)
        good &= islower((unsigned char)name.ptr[i]) || isdigit((unsigned char)name.ptr[i]) ||
                name.ptr[i] == '-' || name.ptr[i] == '_';
    if (!good)
        return pd_hint(pd_fail(PD_EINVAL, "\"%.*s\" cannot name an app", PD_ARG(name)),
                       "a small letter, then small letters, digits, - or _; at most %d: my-shop",
                       NAME_MAX_LEN);
    for (size_t i = 0; i < sizeof BUILT / sizeof *BUILT; i++)
        if (pd_str_eq(name, pd_str_c(BUILT[i])))
            return pd_hint(
                pd_fail(PD_EINVAL, "\"%.*s\" is a folder or file of every build", PD_ARG(name)),
                "choose another name: my-%.*s", PD_ARG(name));
    for (size_t i = 0; i < sizeof TAKEN / sizeof *TAKEN; i++)
        if (pd_str_eq(name, pd_str_c(TAKEN[i])))
            return pd_hint(pd_fail(PD_EINVAL, "\"%.*s\" is a word of C or of pando", PD_ARG(name)),
                           "choose another name: my-%.*s", PD_ARG(name));
    return PD_OK;
}

/* "my-shop" -> "my_shop", "MY_SHOP", "My shop". */
static struct cli_words words_of(struct pd_arena *a, pd_str name)
{
    struct cli_words words = { .n = 0 };
    char *symbol = pd_str_cstr(a, name), *upper = pd_str_cstr(a, name),
         *title = pd_str_cstr(a, name);
    for (size_t i = 0; i < name.len; i++) {
        bool gap = name.ptr[i] == '-' || name.ptr[i] == '_';
        symbol[i] = gap ? '_' : name.ptr[i];
        upper[i] = (char)toupper((unsigned char)symbol[i]);
        title[i] = gap ? ' ' : name.ptr[i];
    }
    title[0] = (char)toupper((unsigned char)title[0]);
    cli_word_put(&words, "app", pd_str_c(symbol));
    cli_word_put(&words, "APP", pd_str_c(upper));
    cli_word_put(&words, "Title", pd_str_c(title));
    return words;
}

/* Where a path's last name begins. */
static pd_str base_name(pd_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    return pd_str_sub(path, at, path.len);
}

static pd_err make(struct pd_arena *a, pd_str path)
{
    pd_str share, name = base_name(path);
    PD_TRY(check_name(name));
    if (cli_exists(a, path))
        return pd_hint(pd_fail(PD_EEXISTS, "%.*s is there already", PD_ARG(path)),
                       "choose another name, or remove it first");
    PD_TRY(cli_share_dir(a, &share));
    pd_str from = pd_str_fmt(a, "%.*s/skeleton/app", PD_ARG(share));
    pd_str beside = pd_str_fmt(a, "%.*s.%ld.new", PD_ARG(path), (long)getpid());
    struct cli_words words = words_of(a, name);
    pd_err e = cli_fill_tree(a, from, beside, &words, NULL, NULL);
    if (e == PD_OK && rename(beside.ptr, pd_str_cstr(a, path)) < 0)
        e = pd_fail_errno(pd_err_from_errno(errno), errno, "cannot make %.*s", PD_ARG(path));
    if (e != PD_OK)
        cli_remove_tree(a, beside);
    return e;
}

static int run(struct cli_args *args)
{
    pd_str path = pd_str_c(args->words[0]);
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    pd_err e = make(args->arena, path);
    if (e != PD_OK) {
        int code = cli_complain(args->command, e);
        return e == PD_EINVAL ? CLI_USAGE : code;
    }
    printf("%.*s is ready.\n\n"
           "  cd %.*s\n"
           "  pando dev       build it, run it, reload it on save\n"
           "  pando test      run its tests\n\n"
           "README.md there says what is where, and what to do next.\n",
           PD_ARG(path), PD_ARG(path));
    return CLI_OK;
}

const struct cli_command cmd_new = {
    .name = "new",
    .usage = "NAME",
    .doc = "make a new app in the folder NAME",
    .group = CLI_BEGIN,
    .min_words = 1,
    .max_words = 1,
    .help =
        "The app has sign-up and sign-in, one module with a table, a page, a form and a JSON API,\n"
        "and tests. It runs on SQLite, at once.\n"
        "\n"
        "  pando new shop                    ./shop\n"
        "  pando new apps/my-shop            ./apps/my-shop\n",
    .run = run,
};
