/* model_files.c - the files gen reads and writes.
 *
 * A generated file is compared with what is there and left alone when nothing changed, so that its
 * time stamp stays and nothing that depends on it is rebuilt. A changed one is written beside and
 * renamed: a reader (the compiler, an editor) never sees half a file.
 */
#include "gen/model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static pd_err read_open_file(struct gen *g, int fd, pd_str path, pd_str *text)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return pd_fail_errno(PD_EIO, errno, "cannot read %.*s", PD_ARG(path));
    if (!S_ISREG(st.st_mode))
        return pd_fail(PD_EINVAL, "%.*s is not a file", PD_ARG(path));
    if (st.st_size > GEN_FILE_MAX)
        return pd_fail(PD_ETOOBIG, "%.*s is over %d MiB", PD_ARG(path), GEN_FILE_MAX >> 20);
    size_t size = (size_t)st.st_size, at = 0;
    char *bytes = pd_arena_alloc(&g->arena, size + 1);
    while (at < size) {
        ssize_t n = read(fd, bytes + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pd_fail_errno(PD_EIO, errno, "cannot read %.*s", PD_ARG(path));
        if (n == 0)
            break; /* it was cut while we read: what we have is what it holds */
        at += (size_t)n;
    }
    bytes[at] = 0;
    *text = pd_str_n(bytes, at);
    return PD_OK;
}

pd_err gen_read(struct gen *g, pd_str path, pd_str *text)
{
    int fd = open(pd_str_cstr(&g->arena, path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pd_fail_errno(errno == ENOENT ? PD_ENOTFOUND : PD_EIO, errno, "cannot open %.*s",
                             PD_ARG(path));
    pd_err e = read_open_file(g, fd, path, text);
    close(fd);
    return e;
}

pd_str gen_plain_text(pd_str text)
{
    if (pd_str_starts(text, PD_STR("\xef\xbb\xbf")))
        text = pd_str_sub(text, 3, text.len);
    char *to = (char *)(uintptr_t)text.ptr;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool end = text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (!end)
            to[n++] = text.ptr[i];
    }
    return pd_str_n(to, n);
}

pd_err gen_read_text(struct gen *g, pd_str path, pd_str *text)
{
    PD_TRY(gen_read(g, path, text));
    if (!pd_str_is_text(*text))
        return pd_hint(pd_fail(PD_EINVAL, "%.*s is not UTF-8 text", PD_ARG(path)),
                       "save it as UTF-8");
    *text = gen_plain_text(*text);
    return PD_OK;
}

static bool look(struct gen *g, pd_str path, struct stat *st)
{
    if (stat(pd_str_cstr(&g->arena, path), st) == 0)
        return true;
    if (errno != ENOENT && errno != ENOTDIR && !g->unseen) {
        g->unseen = errno;
        g->unseen_path = pd_str_dup(&g->arena, path);
    }
    return false;
}

bool gen_exists(struct gen *g, pd_str path)
{
    struct stat st;
    return look(g, path, &st);
}

bool gen_is_dir(struct gen *g, pd_str path)
{
    struct stat st;
    return look(g, path, &st) && S_ISDIR(st.st_mode);
}

pd_err gen_seen(const struct gen *g)
{
    return g->unseen ? pd_fail_errno(pd_err_from_errno(g->unseen), g->unseen, "cannot look at %.*s",
                                     PD_ARG(g->unseen_path))
                     : PD_OK;
}

static int compare_names(const void *a, const void *b)
{
    return pd_str_cmp(*(const pd_str *)a, *(const pd_str *)b);
}

pd_err gen_list(struct gen *g, pd_str dir, pd_str **names, size_t *n)
{
    *names = NULL;
    *n = 0;
    DIR *d = opendir(pd_str_cstr(&g->arena, dir));
    if (!d && errno == ENOENT)
        return PD_OK;
    if (!d)
        return pd_fail_errno(PD_EIO, errno, "cannot list %.*s", PD_ARG(dir));
    size_t cap = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        if (*n == cap) {
            size_t more = cap ? cap * 2 : 16;
            pd_str *bigger = pd_arena_new_n(&g->arena, pd_str, more);
            if (cap)
                memcpy(bigger, *names, cap * sizeof(pd_str));
            *names = bigger;
            cap = more;
        }
        (*names)[(*n)++] = pd_str_dup(&g->arena, pd_str_c(entry->d_name));
    }
    closedir(d);
    if (*n > 1)
        qsort(*names, *n, sizeof(pd_str), compare_names);
    return PD_OK;
}

/* --- the app's folder ------------------------------------------------------------------------ */

pd_str gen_app_name(struct gen *g)
{
    char *whole = realpath(pd_str_cstr(&g->arena, g->app_dir), NULL);
    pd_str name = g->app_name.len ? g->app_name : pd_str_c(whole ? strrchr(whole, '/') + 1 : "app");
    char *symbol = pd_str_cstr(&g->arena, name);
    free(whole);
    for (char *at = symbol; *at; at++) {
        bool fits = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9' && at > symbol);
        *at = fits ? *at : '_';
    }
    return pd_str_c(symbol);
}

pd_str gen_shown_file(struct gen *g, pd_str file)
{
    if (!pd_str_starts(file, g->app_dir))
        return file;
    pd_str name = gen_app_name(g), rest = pd_str_sub(file, g->app_dir.len, file.len);
    return pd_str_fmt(&g->arena, "%.*s%.*s", PD_ARG(name), PD_ARG(rest));
}

pd_str gen_local_file(const struct gen *g, pd_str file)
{
    if (pd_str_starts(file, g->app_dir))
        file = pd_str_sub(file, g->app_dir.len, file.len);
    return pd_str_starts(file, PD_STR("/")) ? pd_str_sub(file, 1, file.len) : file;
}

static bool is_module_name(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(i && (c == '_' || (c >= '0' && c <= '9'))))
            return false;
    }
    return s.len > 0;
}

/* Their files or functions would meet those of the library and of assets/. */
static bool is_taken(pd_str module)
{
    return pd_str_eq(module, PD_STR("pd")) || pd_str_eq(module, PD_STR("assets"));
}

pd_err gen_scan(struct gen *g, pd_str app_dir)
{
    while (app_dir.len > 1 && app_dir.ptr[app_dir.len - 1] == '/')
        app_dir.len--;
    g->app_dir = pd_str_dup(&g->arena, app_dir);
    bool here = pd_str_eq(app_dir, PD_STR(".")); /* files are then called modules/…, without "./" */
    pd_str root = here ? PD_STR("modules") : pd_str_fmt(&g->arena, "%.*s/modules", PD_ARG(app_dir));
    bool found = gen_is_dir(g, root);
    PD_TRY(gen_seen(g));
    if (!found)
        return pd_hint(pd_fail(PD_ENOTFOUND, "%.*s has no folder modules", PD_ARG(app_dir)),
                       "give the app's folder, the one that contains modules/<name>/");
    pd_str *names;
    size_t n;
    PD_TRY(gen_list(g, root, &names, &n));
    struct gen_module **end = &g->modules;
    for (size_t i = 0; i < n; i++) {
        pd_str dir = pd_str_fmt(&g->arena, "%.*s/%.*s", PD_ARG(root), PD_ARG(names[i]));
        if (!gen_is_dir(g, dir))
            continue;
        if (is_taken(names[i]))
            return pd_hint(pd_fail(PD_EINVAL, "%.*s: this name is pando's own", PD_ARG(dir)),
                           "call the module something else");
        if (!is_module_name(names[i]))
            return pd_hint(pd_fail(PD_EINVAL, "%.*s cannot name a module", PD_ARG(dir)),
                           "a module's name is a prefix in C and SQL: [a-z][a-z0-9_]*");
        struct gen_module *m = pd_arena_new(&g->arena, struct gen_module);
        *m = (struct gen_module){ .name = names[i], .dir = dir };
        *end = m;
        end = &m->next;
    }
    return PD_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static pd_err make_dirs(struct gen *g, pd_str dir)
{
    char *path = pd_str_cstr(&g->arena, dir);
    for (char *at = path + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char end = *at;
        *at = 0;
        if (mkdir(path, 0777) < 0 && errno != EEXIST)
            return pd_fail_errno(PD_EIO, errno, "cannot make the folder %s", path);
        if (!end)
            return PD_OK;
        *at = end;
    }
}

static pd_err write_all(int fd, pd_str content)
{
    while (content.len) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pd_fail_errno(errno == ENOSPC ? PD_ENOSPACE : PD_EIO, errno, "cannot write");
        content = pd_str_sub(content, (size_t)n, content.len);
    }
    return PD_OK;
}

static pd_err write_and_rename(struct gen *g, pd_str path, pd_str content)
{
    char *to = pd_str_cstr(&g->arena, path);
    char *beside = pd_str_cstr(&g->arena, pd_str_fmt(&g->arena, "%s.%ld.new", to, (long)getpid()));
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return pd_fail_errno(PD_EIO, errno, "cannot create %s", beside);
    pd_err e = write_all(fd, content);
    if (close(fd) < 0 && e == PD_OK)
        e = pd_fail_errno(PD_EIO, errno, "cannot write");
    if (e == PD_OK && rename(beside, to) < 0)
        e = pd_fail_errno(PD_EIO, errno, "cannot rename");
    if (e != PD_OK) {
        unlink(beside);
        return pd_wrap(e, "writing %s", to);
    }
    return PD_OK;
}

pd_err gen_write(struct gen *g, pd_str name, pd_str content)
{
    PD_TRY(gen_seen(g));
    struct pd_arena_mark mark = pd_arena_mark(&g->arena);
    pd_str path = pd_str_fmt(&g->arena, "%.*s/%.*s", PD_ARG(g->out_dir), PD_ARG(name));
    pd_str old;
    if (gen_exists(g, path) && gen_read(g, path, &old) == PD_OK && pd_str_eq(old, content)) {
        pd_arena_release(&g->arena, mark);
        return PD_OK;
    }
    pd_err e = make_dirs(g, g->out_dir);
    if (e == PD_OK)
        e = write_and_rename(g, path, content);
    pd_arena_release(&g->arena, mark);
    return e;
}
