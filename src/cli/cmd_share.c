/* cmd_share.c - where the tool's data files are: pando share.
 *
 * An installed tool is PREFIX/bin/pando and its files are in PREFIX/share/pando: found from the
 * executable's own place, so that a prefix may be moved. A tool in its build folder uses share/ of
 * the source tree, whose place was noted when it was built.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `path` without links and ".."; null if there is no such thing. */
static pd_str real_path(struct pd_arena *arena, const char *path)
{
    char *whole = realpath(path, NULL);
    pd_str copy = whole ? pd_str_dup(arena, pd_str_c(whole)) : PD_STR_NULL;
    free(whole);
    return copy;
}

pd_err cli_own_dir(struct pd_arena *arena, pd_str *dir)
{
    pd_str path = real_path(arena, "/proc/self/exe");
    if (pd_str_is_null(path))
        return pd_fail_errno(PD_EIO, errno, "cannot find out where this program is");
    char *text = pd_str_cstr(arena, path);
    *strrchr(text, '/') = 0; /* the kernel gives an absolute path */
    *dir = pd_str_c(text);
    return PD_OK;
}

/* Whether `dir` is a folder of the tool's data files; then `*whole` is its path without "..". */
static bool is_share(struct pd_arena *arena, pd_str dir, pd_str *whole)
{
    pd_str mark = pd_str_fmt(arena, "%.*s/app.mk", PD_ARG(dir));
    if (access(mark.ptr, R_OK) < 0)
        return false;
    *whole = real_path(arena, dir.ptr);
    return !pd_str_is_null(*whole);
}

pd_err cli_share_dir(struct pd_arena *arena, pd_str *dir)
{
    pd_str own;
    PD_TRY(cli_own_dir(arena, &own));
    pd_str installed = pd_str_fmt(arena, "%.*s/../share/pando", PD_ARG(own));
    if (is_share(arena, installed, dir) || is_share(arena, PD_STR(PANDO_SOURCE_SHARE), dir))
        return PD_OK;
    pd_err e = pd_fail(PD_ENOTFOUND, "the tool's data files are missing: %.*s", PD_ARG(installed));
    return pd_hint(e, "install pando again: the tool alone is not enough");
}

/* Where library and headers of this very tool are, as variables of make: beside the data files if
 * it is installed, else in its build folder. */
static pd_err config_file(struct pd_arena *arena, pd_str share, pd_str *file)
{
    pd_str own;
    *file = pd_str_fmt(arena, "%.*s/config.mk", PD_ARG(share));
    if (access(file->ptr, R_OK) == 0)
        return PD_OK;
    PD_TRY(cli_own_dir(arena, &own));
    *file = real_path(arena, pd_str_fmt(arena, "%.*s/../../share/config-tree.mk", PD_ARG(own)).ptr);
    if (!pd_str_is_null(*file))
        return PD_OK;
    return pd_hint(pd_fail(PD_ENOTFOUND, "%.*s/config.mk is missing", PD_ARG(share)),
                   "install pando again");
}

static int run(struct cli_args *args)
{
    pd_str path;
    pd_err e = cli_share_dir(args->arena, &path);
    if (e == PD_OK && cli_option(args, "--config"))
        e = config_file(args->arena, path, &path);
    if (e != PD_OK)
        return cli_complain(args->command, e);
    printf("%.*s\n", PD_ARG(path));
    return CLI_OK;
}

const struct cli_command cmd_share = {
    .name = "share",
    .usage = "[--config]",
    .doc = "print the folder of the tool's data files",
    .group = CLI_HELP,
    .options =
        (const struct cli_opt[]){
            { "--config", NULL, "instead: the file that says where the library is" }, { 0 } },
    .help = "  include $(shell pando share)/app.mk       in an app's Makefile\n",
    .run = run,
};
