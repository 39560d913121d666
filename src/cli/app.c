/* app.c - see app.h. */
#include "cli/app.h"
#include "cli/files.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20 };

/* --- the app ---------------------------------------------------------------------------------- */

static bool is_app(struct pd_arena *a, pd_str dir)
{
    return cli_is_dir(a, pd_str_fmt(a, "%.*s/modules", PD_ARG(dir))) &&
           cli_exists(a, pd_str_fmt(a, "%.*s/Makefile", PD_ARG(dir)));
}

/* What stands behind "APP :=" in the Makefile; null if nothing does. */
static pd_str name_in_makefile(struct pd_arena *a, pd_str dir)
{
    pd_str text, line;
    if (cli_read(a, pd_str_fmt(a, "%.*s/Makefile", PD_ARG(dir)), &text) != PD_OK)
        return PD_STR_NULL;
    while (pd_str_split(&text, '\n', &line)) {
        size_t at = pd_str_find(line, '=');
        pd_str name = pd_str_trim(pd_str_sub(line, 0, at));
        if (at != PD_NPOS && (pd_str_eq(name, PD_STR("APP :")) ||
                              pd_str_eq(name, PD_STR("APP   :")) || pd_str_eq(name, PD_STR("APP"))))
            return pd_str_trim(pd_str_sub(line, at + 1, line.len));
    }
    return PD_STR_NULL;
}

static pd_str symbol_of(struct pd_arena *a, pd_str name)
{
    char *text = pd_str_cstr(a, name);
    for (char *at = text; *at; at++)
        *at = isalnum((unsigned char)*at) ? *at : '_';
    return pd_str_c(text);
}

pd_err cli_app_find(struct pd_arena *a, struct cli_app *out)
{
    char *here = realpath(".", NULL);
    if (!here)
        return pd_fail_errno(PD_EIO, errno, "cannot find out which folder this is");
    pd_str dir = pd_str_dup(a, pd_str_c(here));
    free(here);
    while (!is_app(a, dir)) {
        while (dir.len && dir.ptr[--dir.len] != '/')
            ;
        if (!dir.len)
            return pd_hint(
                pd_fail(PD_ENOTFOUND, "this folder is not in an app"),
                "go to one (it has modules/ and a Makefile), or make one: pando new shop");
    }
    out->dir = pd_str_dup(a, dir);
    out->name = name_in_makefile(a, dir);
    size_t slash = dir.len;
    while (slash && dir.ptr[slash - 1] != '/')
        slash--;
    if (!out->name.len)
        out->name = pd_str_sub(dir, slash, dir.len);
    out->symbol = symbol_of(a, out->name);
    return PD_OK;
}

/* --- programs --------------------------------------------------------------------------------- */

static void become(pd_str dir, const char *const *argv)
{
    char path[2000];
    snprintf(path, sizeof path, "%.*s", PD_ARG(dir));
    if (dir.len && chdir(path) < 0) {
        fprintf(stderr, "pando: cannot go to %s: %s\n", path, strerror(errno));
        _exit(127);
    }
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "pando: cannot run %s: %s\n  remedy: pando doctor\n", argv[0], strerror(errno));
    _exit(127);
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cli_call(pd_str dir, const char *const *argv)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        become(dir, argv);
    return child < 0 ? 127 : wait_for(child);
}

pd_err cli_capture(struct pd_arena *a, pd_str dir, const char *const *argv, pd_str *out, int *code)
{
    int ends[2];
    struct pd_buf b;
    char piece[1024];
    pd_buf_init(&b, a, OUTPUT_MAX);
    fflush(stdout);
    if (pipe(ends) < 0)
        return pd_fail_errno(PD_EIO, errno, "cannot run %s", argv[0]);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        become(dir, argv);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) != 0 && (n > 0 || errno == EINTR);)
        if (n > 0)
            pd_buf_put(&b, pd_str_n(piece, (size_t)n));
    close(ends[0]);
    *code = child < 0 ? 127 : wait_for(child);
    *out = pd_buf_str(&b);
    return b.failed ? pd_fail(PD_ETOOBIG, "%s printed over %d KiB", argv[0], OUTPUT_MAX >> 10)
                    : PD_OK;
}

bool cli_has_program(const char *name)
{
    char path[2000];
    pd_str rest = pd_str_c(getenv("PATH")), dir;
    while (pd_str_split(&rest, ':', &dir)) {
        int n = snprintf(path, sizeof path, "%.*s/%s", PD_ARG(dir), name);
        if (n > 0 && (size_t)n < sizeof path && access(path, X_OK) == 0)
            return true;
    }
    return false;
}
