/* files.c - see files.h. */
#include "cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 4 << 20, DEPTH_MAX = 8 };

void cli_word_put(struct cli_words *w, const char *name, pd_str value)
{
    pd_assert(w->n < sizeof w->at / sizeof w->at[0]);
    w->at[w->n++] = (struct cli_word){ pd_str_c(name), value };
}

/* What cannot be looked at is not taken for absent: something else would be made without a word. */
bool cli_exists(struct pd_arena *a, pd_str path)
{
    struct stat st;
    if (lstat(pd_str_cstr(a, path), &st) == 0)
        return true;
    if (errno == ENOENT || errno == ENOTDIR)
        return false;
    fprintf(stderr, "pando: cannot look at %.*s: %m\n", PD_ARG(path));
    exit(pd_err_exit(pd_err_from_errno(errno)));
}

bool cli_is_dir(struct pd_arena *a, pd_str path)
{
    struct stat st;
    return stat(pd_str_cstr(a, path), &st) == 0 && S_ISDIR(st.st_mode);
}

/* --- reading --------------------------------------------------------------------------------- */

static pd_err read_open(struct pd_arena *a, int fd, const char *path, pd_str *text)
{
    char *bytes = pd_arena_alloc(a, FILE_MAX);
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, bytes + n, FILE_MAX - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pd_fail_errno(PD_EIO, errno, "cannot read %s", path);
        n += (size_t)got;
        if (got == 0)
            break;
        if (n == FILE_MAX)
            return pd_fail(PD_ETOOBIG, "%s is over %d MiB", path, FILE_MAX >> 20);
    }
    bytes = pd_arena_grow(a, bytes, FILE_MAX, n + 1);
    bytes[n] = 0;
    *text = pd_str_n(bytes, n);
    return PD_OK;
}

pd_err cli_read(struct pd_arena *a, pd_str path, pd_str *text)
{
    char *name = pd_str_cstr(a, path);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pd_fail_errno(pd_err_from_errno(errno), errno, "cannot open %s", name);
    pd_err e = read_open(a, fd, name, text);
    close(fd);
    return e;
}

/* --- writing --------------------------------------------------------------------------------- */

/* The folders above `path`. */
static pd_err make_parents(struct pd_arena *a, pd_str path)
{
    char *name = pd_str_cstr(a, path);
    for (char *at = name + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        if (mkdir(name, 0777) < 0 && errno != EEXIST)
            return pd_fail_errno(pd_err_from_errno(errno), errno, "cannot make the folder %s",
                                 name);
        *at = '/';
    }
    return PD_OK;
}

static pd_err write_new(struct pd_arena *a, pd_str path, pd_str text)
{
    char *name = pd_str_cstr(a, path);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return pd_fail(PD_EEXISTS, "%s is there already", name);
    if (fd < 0)
        return pd_fail_errno(pd_err_from_errno(errno), errno, "cannot create %s", name);
    int err = 0;
    for (size_t n = 0; n < text.len && !err;) {
        ssize_t put = write(fd, text.ptr + n, text.len - n);
        if (put >= 0)
            n += (size_t)put;
        else if (errno != EINTR)
            err = errno;
    }
    if (close(fd) < 0 && !err)
        err = errno;
    if (!err)
        return PD_OK;
    unlink(name);
    return pd_fail_errno(pd_err_from_errno(err), err, "cannot write %s", name);
}

pd_err cli_create(struct pd_arena *a, pd_str path, pd_str text)
{
    PD_TRY(make_parents(a, path));
    return write_new(a, path, text);
}

pd_err cli_replace(struct pd_arena *a, pd_str path, pd_str text)
{
    pd_str beside = pd_str_fmt(a, "%.*s.%ld.new", PD_ARG(path), (long)getpid());
    PD_TRY(write_new(a, beside, text));
    if (rename(beside.ptr, pd_str_cstr(a, path)) == 0)
        return PD_OK;
    int err = errno;
    unlink(beside.ptr);
    return pd_fail_errno(pd_err_from_errno(err), err, "cannot write %.*s", PD_ARG(path));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    (void)!remove(path);
    return 0;
}

void cli_remove_tree(struct pd_arena *a, pd_str path)
{
    (void)!nftw(pd_str_cstr(a, path), remove_one, DEPTH_MAX, FTW_DEPTH | FTW_PHYS);
}

/* --- skeletons ------------------------------------------------------------------------------- */

/* The word that begins at an '@'; its length in the skeleton goes to *len. NULL: it is only an @.
 */
static const struct cli_word *word_at(const struct cli_words *words, pd_str rest, size_t *len)
{
    size_t end = pd_str_find(pd_str_sub(rest, 1, rest.len), '@');
    pd_str name = pd_str_sub(rest, 1, end == PD_NPOS ? 1 : end + 1);
    *len = name.len + 2;
    for (size_t i = 0; i < words->n; i++)
        if (name.len && pd_str_eq(words->at[i].name, name))
            return &words->at[i];
    return NULL;
}

pd_str cli_fill(struct pd_arena *a, pd_str skeleton, const struct cli_words *words)
{
    struct pd_buf out;
    pd_buf_init(&out, a, FILE_MAX);
    while (skeleton.len) {
        size_t at = pd_str_find(skeleton, '@'), len = 1;
        if (at == PD_NPOS)
            at = skeleton.len;
        pd_buf_put(&out, pd_str_sub(skeleton, 0, at));
        skeleton = pd_str_sub(skeleton, at, skeleton.len);
        if (!skeleton.len)
            break;
        const struct cli_word *word = word_at(words, skeleton, &len);
        pd_buf_put(&out, word ? word->value : PD_STR("@"));
        skeleton = pd_str_sub(skeleton, word ? len : 1, skeleton.len);
    }
    if (out.failed)
        pd_panic("a skeleton became larger than %d MiB", FILE_MAX >> 20);
    return pd_str_dup(a, pd_buf_str(&out));
}

struct tree { /* one run of cli_fill_tree */
    struct pd_arena *arena;
    const struct cli_words *words;
    bool looking;  /* first whether all of them can be made, then make them */
    pd_str *paths; /* that are to be made */
    size_t npaths, cap, nmade;
};

static void note_path(struct tree *t, pd_str path)
{
    if (t->npaths == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 32;
        t->paths =
            pd_arena_grow(t->arena, t->paths, t->cap * sizeof *t->paths, cap * sizeof *t->paths);
        t->cap = cap;
    }
    t->paths[t->npaths++] = path;
}

/* The files that were made, and folders that are empty then, up to `top`. */
static void take_back(struct tree *t, pd_str top)
{
    for (size_t i = 0; i < t->npaths; i++) {
        char *path = pd_str_cstr(t->arena, t->paths[i]);
        if (i < t->nmade)
            unlink(path);
        for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) > top.len;) {
            *slash = 0;
            if (rmdir(path) < 0)
                break;
        }
    }
}

static pd_err fill_file(struct tree *t, pd_str from, pd_str to)
{
    pd_str text;
    if (cli_exists(t->arena, to))
        return pd_hint(pd_fail(PD_EEXISTS, "%.*s is there already", PD_ARG(to)),
                       "choose another name, or remove it: nothing that exists is overwritten");
    if (t->looking) {
        note_path(t, to);
        return PD_OK;
    }
    PD_TRY(cli_read(t->arena, from, &text));
    PD_TRY(cli_create(t->arena, to, cli_fill(t->arena, text, t->words)));
    t->nmade++; /* in the order they were looked at */
    return PD_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static pd_err fill_dir(struct tree *t, pd_str from, pd_str to, int depth)
{
    struct dirent **entries;
    int n = scandir(pd_str_cstr(t->arena, from), &entries, NULL, by_name);
    if (n < 0)
        return pd_fail_errno(pd_err_from_errno(errno), errno, "cannot list %.*s", PD_ARG(from));
    pd_err e = depth > DEPTH_MAX ? pd_fail(PD_ETOOBIG, "%.*s is too deep", PD_ARG(from)) : PD_OK;
    for (int i = 0; i < n; i++) {
        pd_str name = pd_str_c(entries[i]->d_name);
        bool hidden = name.ptr[0] == '.';
        pd_str in = pd_str_fmt(t->arena, "%.*s/%.*s", PD_ARG(from), PD_ARG(name));
        pd_str called = pd_str_eq(name, PD_STR("gitignore")) ? PD_STR(".gitignore")
                                                             : cli_fill(t->arena, name, t->words);
        pd_str out = pd_str_fmt(t->arena, "%.*s/%.*s", PD_ARG(to), PD_ARG(called));
        if (e == PD_OK && !hidden)
            e = cli_is_dir(t->arena, in) ? fill_dir(t, in, out, depth + 1) : fill_file(t, in, out);
        free(entries[i]);
    }
    free(entries);
    return e;
}

pd_err cli_fill_tree(struct pd_arena *a, pd_str from, pd_str to, const struct cli_words *words,
                     void (*made)(void *arg, pd_str path), void *arg)
{
    struct tree t = { .arena = a, .words = words, .looking = true };
    PD_TRY(fill_dir(&t, from, to, 0));
    t.looking = false;
    pd_err e = fill_dir(&t, from, to, 0);
    if (e != PD_OK)
        take_back(&t, to);
    for (size_t i = 0; e == PD_OK && made && i < t.nmade; i++)
        made(arg, t.paths[i]);
    return e;
}
