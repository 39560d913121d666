/* sqlite_open.c - the file before SQLite sees it.
 *
 * One process writes to a file. The lock is an flock on "<file>.lock", which the kernel gives back
 * however the process ends; the holder's id stands in it for the message of whoever comes second.
 * <file> is the name behind all symbolic links, so that a link is no way round the lock; what a
 * link leads to is made, empty, if it is not there yet: only then has it a name. The lock file is
 * never removed: removing it would race with a process that has just opened it.
 */
#include "data/sqlite.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pd_err make_folder(pd_str path)
{
    size_t slash = path.len;
    while (slash > 0 && path.ptr[slash - 1] != '/')
        slash--;
    return slash > 1 ? pd_os_dir_make(pd_str_sub(path, 0, slash - 1)) : PD_OK;
}

static pd_err refuse_second(struct lite_db *lite)
{
    char pid[24] = "";
    ssize_t n = pread(lite->lock_fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return pd_hint(pd_fail(PD_EBUSY, "%s is in use by process %s", lite->path, pid[0] ? pid : "?"),
                   "stop it first: one process at a time writes to a SQLite database");
}

/* NULL: it is still to be made. */
static char *real_name(const char *path)
{
    struct stat is;
    if (lstat(path, &is) == 0 && S_ISLNK(is.st_mode)) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644); /* as SQLite does */
        if (fd >= 0)
            close(fd);
    }
    return realpath(path, NULL);
}

static pd_err lock(struct lite_db *lite)
{
    char name[1024], pid[24];
    char *real = real_name(lite->path);
    int n = snprintf(name, sizeof name, "%s.lock", real ? real : lite->path);
    free(real);
    if (n < 0 || (size_t)n >= sizeof name)
        return pd_fail(PD_ECONFIG, "the path of the database is too long");
    lite->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (lite->lock_fd < 0) {
        int err = errno;
        return pd_hint(
            pd_fail_errno(err == EACCES || err == EROFS ? PD_EDENIED : pd_err_from_errno(err), err,
                          "cannot write %s", name),
            "the folder of the database must be writable");
    }
    if (flock(lite->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? refuse_second(lite)
                                    : pd_fail_errno(PD_EIO, errno, "cannot lock %s", name);
    n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(lite->lock_fd, 0) != 0 || pwrite(lite->lock_fd, pid, (size_t)n, 0) != n)
        return pd_fail_errno(pd_err_from_errno(errno), errno, "cannot write %s", name);
    return PD_OK;
}

/* SQLite would say "file is not a database" only at the first statement, and overwrite short files.
 */
static pd_err check_header(const char *path)
{
    static const char magic[16] = "SQLite format 3";
    char head[16] = "";
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return PD_OK; /* it will be made */
    if (fd < 0)
        return pd_hint(pd_fail_errno(errno == EACCES || errno == EROFS ? PD_EDENIED : PD_EIO, errno,
                                     "cannot open %s", path),
                       "the database must be a writable file");
    ssize_t n = read(fd, head, sizeof head);
    int err = n < 0 ? errno : 0;
    close(fd);
    if (n < 0)
        return pd_fail_errno(PD_EIO, err, "cannot read %s", path);
    if (n == 0 || memcmp(head, magic, sizeof magic) == 0)
        return PD_OK;
    return pd_hint(pd_fail(PD_ECORRUPT, "%s is not a SQLite database", path),
                   "move it away, or set DATABASE_URL to another file");
}

pd_err pd_lite_file_open(struct lite_db *lite, pd_str path)
{
    lite->lock_fd = -1;
    lite->path = strndup(path.ptr, path.len);
    if (!lite->path)
        return pd_fail(PD_ENOMEM, "no memory for the database's path");
    PD_TRY(make_folder(path));
    PD_TRY(lock(lite));
    return check_header(lite->path);
}

void pd_lite_file_close(struct lite_db *lite)
{
    if (lite->lock_fd >= 0)
        close(lite->lock_fd);
    free(lite->path);
}
