/* watch.c - which files of the app were saved: inotify on every folder of it.
 *
 * A file that is renamed is news under its new name only: under the old one it was often a
 * temporary file, of an editor or of the build itself.
 *
 * inotify watches folders, not trees: a folder that appears is watched, with all below it, as soon
 * as its parent tells of it. What was created in it before that is found by looking. A folder that
 * is moved keeps its watch wherever it goes: it is forgotten with all below it, and watched anew if
 * it comes back under another name. Removed ones tell of themselves (IN_IGNORED).
 */
#include "cli/dev/dev.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_FOLDERS = 8192,
    MAX_DEPTH = 16,
    PATH_BYTES = 2048,
    MASK = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR |
           IN_EXCL_UNLINK,
};

struct folder {
    int wd;
    char *path;
};

struct dev_watch {
    struct pd_io io;
    void (*saved)(void *arg, const char *path);
    void *arg;
    char *root;
    struct folder *folders;
    unsigned nfolders;
    bool open;
};

/* --- what counts --------------------------------------------------------------------------------
 */

static bool folder_wanted(const struct dev_watch *w, const char *parent, const char *name)
{
    static const char *const generated[] = { "build", "var" }; /* only at the top */
    if (name[0] == '.' || strcmp(name, "node_modules") == 0)
        return false;
    for (size_t i = 0; i < 2; i++)
        if (strcmp(parent, w->root) == 0 && strcmp(name, generated[i]) == 0)
            return false;
    return true;
}

bool dev_watch_wants(pd_str name)
{
    static const char *const ends[] = { "~",    ".swp",  ".swx",     ".swpx",   ".tmp", ".new",
                                        ".bak", ".orig", ".o",       ".d",      ".a",   ".db",
                                        "-wal", "-shm",  "-journal", ".sqlite", ".md" };
    static const char *const names[] = { "4913", "compile_commands.json", "pando.lock" };
    if (name.len == 0 || name.ptr[0] == '.' || name.ptr[0] == '#')
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (pd_str_ends(name, pd_str_c(ends[i])))
            return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pd_str_eq(name, pd_str_c(names[i])))
            return false;
    return true;
}

/* --- folders -------------------------------------------------------------------------------------
 */

static struct folder *folder_of(struct dev_watch *w, int wd)
{
    for (unsigned i = 0; i < w->nfolders; i++)
        if (w->folders[i].wd == wd)
            return &w->folders[i];
    return NULL;
}

static void forget(struct dev_watch *w, int wd)
{
    struct folder *f = folder_of(w, wd);
    if (!f)
        return;
    free(f->path);
    *f = w->folders[--w->nfolders];
}

/* A folder and all below it. */
static void forget_tree(struct dev_watch *w, const char *path)
{
    size_t n = strlen(path);
    for (unsigned i = w->nfolders; i-- > 0;) {
        struct folder *f = &w->folders[i];
        if (strncmp(f->path, path, n) != 0 || (f->path[n] && f->path[n] != '/'))
            continue;
        inotify_rm_watch(w->io.sock, f->wd);
        forget(w, f->wd);
    }
}

static pd_err add_folder(struct dev_watch *w, const char *path)
{
    int wd = inotify_add_watch(w->io.sock, path, MASK);
    if (wd < 0 && errno == ENOSPC)
        return pd_hint(pd_fail(PD_EUNAVAIL, "the limit of watched folders is reached at %s", path),
                       "sudo sysctl fs.inotify.max_user_watches=524288");
    if (wd < 0 || folder_of(w, wd))
        return PD_OK; /* it is gone again, or known */
    if (w->nfolders == MAX_FOLDERS)
        return pd_fail(PD_EUNAVAIL, "the app has more than %d folders", MAX_FOLDERS);
    char *copy = strdup(path);
    pd_assert(copy);
    w->folders[w->nfolders++] = (struct folder){ wd, copy };
    return PD_OK;
}

/* `found`: files that are there already are news. */
static pd_err add_tree(struct dev_watch *w, const char *path, int depth, bool found)
{
    char below[PATH_BYTES];
    PD_TRY(add_folder(w, path));
    DIR *dir = depth < MAX_DEPTH ? opendir(path) : NULL;
    pd_err err = PD_OK;
    for (struct dirent *e; dir && !err && (e = readdir(dir));) {
        if (e->d_name[0] == '.' ||
            snprintf(below, sizeof below, "%s/%s", path, e->d_name) >= (int)sizeof below)
            continue;
        struct stat st;
        if (lstat(below, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && folder_wanted(w, path, e->d_name))
            err = add_tree(w, below, depth + 1, found);
        else if (found && S_ISREG(st.st_mode) && dev_watch_wants(pd_str_c(e->d_name)))
            w->saved(w->arg, below);
    }
    if (dir)
        closedir(dir);
    return err;
}

/* --- events --------------------------------------------------------------------------------------
 */

static void folder_event(struct dev_watch *w, const char *path, const struct inotify_event *e)
{
    bool appeared = e->mask & (IN_CREATE | IN_MOVED_TO);
    if (!appeared)
        forget_tree(w, path);
    if (appeared && add_tree(w, path, 0, true) != PD_OK)
        dev_say("%s", pd_diag()->message);
    else if (!appeared)
        w->saved(w->arg, path);
}

static void file_event(struct dev_watch *w, const struct inotify_event *e)
{
    const struct folder *f = folder_of(w, e->wd);
    char path[PATH_BYTES];
    if (!f || snprintf(path, sizeof path, "%s/%s", f->path, e->name) >= (int)sizeof path)
        return;
    if (e->mask & IN_ISDIR) {
        if (folder_wanted(w, f->path, e->name))
            folder_event(w, path, e);
        return;
    }
    bool written = e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE);
    if (written && dev_watch_wants(pd_str_c(e->name)))
        w->saved(w->arg, path);
}

static void one_event(struct dev_watch *w, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW) { /* some were lost: look at everything */
        w->saved(w->arg, w->root);
        forget_tree(w, w->root);
        if (add_tree(w, w->root, 0, false) != PD_OK)
            dev_say("%s", pd_diag()->message);
    } else if (e->mask & IN_IGNORED) {
        forget(w, e->wd);
    } else if (e->len > 0) {
        file_event(w, e);
    }
}

static void ready(struct pd_io *io, unsigned events)
{
    struct dev_watch *w = pd_container(io, struct dev_watch, io);
    static char bytes[16 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;
    (void)events;
    while ((n = read(io->sock, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(bytes + at);
            one_event(w, e);
            at += (ssize_t)(sizeof *e + e->len);
        }
}

static pd_err open_inotify(struct dev_watch *w)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return pd_hint(pd_fail_errno(PD_EUNAVAIL, errno, "cannot watch files"),
                       "sudo sysctl fs.inotify.max_user_instances=1024");
    PD_TRY(pd_io_open(&w->io, fd, PD_OS_READ, ready));
    w->open = true;
    return PD_OK;
}

pd_err dev_watch_open(const char *dir, void (*saved)(void *arg, const char *path), void *arg,
                      struct dev_watch **out)
{
    struct dev_watch *w = calloc(1, sizeof *w);
    pd_assert(w);
    w->saved = saved;
    w->arg = arg;
    w->root = strdup(dir);
    w->folders = calloc(MAX_FOLDERS, sizeof *w->folders);
    pd_assert(w->root && w->folders);
    pd_err err = open_inotify(w);
    if (!err)
        err = add_tree(w, w->root, 0, false);
    if (err)
        dev_watch_close(w);
    *out = err ? NULL : w;
    return err;
}

void dev_watch_close(struct dev_watch *w)
{
    if (!w)
        return;
    if (w->open)
        pd_io_close(&w->io);
    while (w->nfolders > 0)
        forget(w, w->folders[0].wd);
    free(w->folders);
    free(w->root);
    free(w);
}
