/* os_file.c - small whole files, for both backends.
 *
 * Writing is made atomic in the usual way: the content goes to a temporary file in the same folder,
 * is synced, and is renamed over the old one; then the folder is synced too, because the rename
 * lives there. Whoever reads sees the old file or the new one, and a crash leaves at most a stray
 * temporary file. Simulation uses the real file system: files are inputs of a run, not part of it.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 1024 }; /* with room for a temporary suffix; three of them fit a frame */

static pd_err fail_path(const char *doing, const char *path)
{
    int e = errno;
    return pd_fail_errno(pd_err_from_errno(e), e, "cannot %s %s", doing, path);
}

static pd_err path_copy(pd_str path, char *out)
{
    if (path.len == 0 || path.len >= PATH_ROOM - 32 || memchr(path.ptr, 0, path.len))
        return pd_fail(PD_EINVAL, "not a usable path: \"%.*s\"", PD_ARG(pd_str_sub(path, 0, 200)));
    memcpy(out, path.ptr, path.len);
    out[path.len] = 0;
    return PD_OK;
}

/* --- reading ----------------------------------------------------------------------------- */

static pd_err read_all(int fd, const char *path, struct pd_arena *a, size_t max, pd_str *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_path("read", path);
    if (S_ISDIR(st.st_mode))
        return pd_fail(PD_EINVAL, "%s is a folder", path);
    /* The size is a hint only: files of /proc say 0, and a file may grow while it is read. */
    size_t cap = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
    if (cap > max + 1)
        cap = max + 1;
    char *text = pd_arena_alloc(a, cap);
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, text + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_path("read", path);
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max)
            return pd_fail(PD_ETOOBIG, "%s is larger than %zu bytes", path, max);
        if (n < cap)
            continue;
        size_t bigger = cap * 2 > max + 1 ? max + 1 : cap * 2;
        text = pd_arena_grow(a, text, cap, bigger);
        cap = bigger;
    }
    *out = pd_str_n(text, n);
    return PD_OK;
}

pd_err pd_os_file_read(struct pd_arena *a, pd_str path, size_t max, pd_str *out)
{
    char name[PATH_ROOM];
    PD_TRY(path_copy(path, name));
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_path("open", name);
    pd_err err = read_all(fd, name, a, max, out);
    close(fd);
    return err;
}

/* --- writing ----------------------------------------------------------------------------- */

static bool write_all(int fd, pd_str content)
{
    for (size_t at = 0; at < content.len;) {
        ssize_t n = write(fd, content.ptr + at, content.len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static pd_err write_temporary(const char *temp, pd_str content, unsigned mode)
{
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return fail_path("create", temp);
    bool ok = fchmod(fd, mode) == 0 && write_all(fd, content) && fsync(fd) == 0;
    int e = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        e = errno;
    }
    if (ok)
        return PD_OK;
    unlink(temp);
    errno = e;
    return fail_path("write", temp);
}

static pd_err sync_folder_of(const char *path)
{
    char folder[PATH_ROOM];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (slash && n == 0)
        n = 1; /* "/file" lives in "/" */
    memcpy(folder, slash ? path : ".", slash ? n : 1);
    folder[slash ? n : 1] = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_path("open", folder);
    /* Some file systems cannot sync a folder and say EINVAL; nothing more can be done there. */
    pd_err err = fsync(fd) != 0 && errno != EINVAL ? fail_path("sync", folder) : PD_OK;
    close(fd);
    return err;
}

pd_err pd_os_file_write(pd_str path, pd_str content, unsigned mode)
{
    char name[PATH_ROOM], temp[PATH_ROOM];
    PD_TRY(path_copy(path, name));
    uint64_t unique;
    pd_os_random(&unique, sizeof unique);
    int n = snprintf(temp, sizeof temp, "%s.%012llx.tmp", name,
                     (unsigned long long)(unique & 0xffffffffffff));
    pd_assert(n > 0 && n < (int)sizeof temp);
    PD_TRY(write_temporary(temp, content, mode));
    if (rename(temp, name) != 0) {
        pd_err err = fail_path("replace", name);
        unlink(temp);
        return err;
    }
    return sync_folder_of(name);
}

pd_err pd_os_dir_make(pd_str path)
{
    char name[PATH_ROOM];
    PD_TRY(path_copy(path, name));
    for (char *at = name + 1;; at++) {
        if (*at != '/' && *at != 0)
            continue;
        char end = *at;
        *at = 0;
        struct stat st;
        bool fine = mkdir(name, 0777) == 0 ||
                    (stat(name, &st) == 0 && (S_ISDIR(st.st_mode) || (errno = ENOTDIR, false)));
        if (!fine)
            return fail_path("make folder", name);
        *at = end;
        if (end == 0)
            return PD_OK;
    }
}
