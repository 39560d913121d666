/* preprocess.c - the compiler's own preprocessor over the app's sources, a few at a time.
 *
 * The real preprocessor and not one of ours: what hides in a macro (a loop, a call) is then in
 * plain sight, and #if is decided as it was for the object. Its output goes to files in memory
 * (memfd), so that nothing has to be drained while it runs.
 */
#include "check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { AT_ONCE_MAX = 8, ARGS_MAX = 4096 };

struct job {
    pid_t pid;
    int fd;
};

/* Options of a compile that make no sense here; those of the second group are two words. */
static int words_to_drop(const char *word)
{
    static const char *const ONE[] = {
        "-c", "-MD", "-MMD", "-MP", "-M", "-MM", "-fdiagnostics-color=always"
    };
    static const char *const TWO[] = { "-o", "-MF", "-MQ", "-MT" };
    for (size_t i = 0; i < sizeof ONE / sizeof *ONE; i++) {
        if (strcmp(word, ONE[i]) == 0)
            return 1;
    }
    for (size_t i = 0; i < sizeof TWO / sizeof *TWO; i++) {
        if (strcmp(word, TWO[i]) == 0)
            return 2;
    }
    return strncmp(word, "-Wp,-M", 6) == 0;
}

/* "ccache cc -O2 -c x.c -o x.o" -> "cc -E -w -O2 x.c" */
static char **preprocess_command(struct check *k, char **argv)
{
    char **out = pd_arena_new_n(&k->arena, char *, ARGS_MAX + 4);
    size_t n = 0, i = 0;
    while (argv[i] && argv[i + 1] && pd_str_ends(pd_str_c(argv[i]), PD_STR("ccache")))
        i++;
    if (argv[i])
        out[n++] = argv[i++];
    out[n++] = (char *)(uintptr_t) "-E";
    out[n++] = (char *)(uintptr_t) "-w";
    while (argv[i]) {
        int drop = words_to_drop(argv[i]);
        if (!drop)
            out[n++] = argv[i];
        i += drop == 2 && argv[i + 1] ? 2 : 1;
    }
    return out;
}

static pd_err start(struct check *k, struct check_unit *u, struct job *j)
{
    char **argv = preprocess_command(k, u->argv);
    posix_spawn_file_actions_t files;
    j->fd = memfd_create("preprocessed", MFD_CLOEXEC);
    if (j->fd < 0)
        return pd_fail_errno(PD_EIO, errno, "cannot make a file in memory");
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, j->fd, STDOUT_FILENO);
    posix_spawn_file_actions_addchdir_np(&files, pd_str_cstr(&k->arena, u->dir));
    int failed = argv[0] ? posix_spawnp(&j->pid, argv[0], &files, NULL, argv, environ) : ENOENT;
    posix_spawn_file_actions_destroy(&files);
    if (!failed)
        return PD_OK;
    close(j->fd);
    return pd_fail_errno(PD_EUNAVAIL, failed, "cannot run the compiler for %.*s", PD_ARG(u->shown));
}

static pd_err collect(struct check *k, struct job *j, pd_str *text)
{
    struct stat st;
    if (fstat(j->fd, &st) < 0)
        return pd_fail_errno(PD_EIO, errno, "cannot read what the preprocessor wrote");
    size_t size = (size_t)st.st_size;
    char *bytes = pd_arena_alloc(&k->arena, size + 1);
    ssize_t got = pread(j->fd, bytes, size, 0);
    if (got < 0 || (size_t)got != size)
        return pd_fail_errno(PD_EIO, errno, "cannot read what the preprocessor wrote");
    bytes[size] = 0;
    *text = pd_str_n(bytes, size);
    return PD_OK;
}

static pd_err finish(struct check *k, struct check_unit *u, struct job *j, pd_str *text)
{
    int status = 0;
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        ;
    pd_err e = PD_OK;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        e = pd_hint(pd_fail(PD_EINVAL, "the preprocessor refuses %.*s", PD_ARG(u->shown)),
                    "its message is above; is compile_commands.json as old as the last build?");
    else
        e = collect(k, j, text);
    close(j->fd);
    return e;
}

pd_err check_preprocess(struct check *k, struct check_unit **units, size_t n, pd_str *texts)
{
    struct job jobs[AT_ONCE_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = cpus < 1 ? 1 : cpus > AT_ONCE_MAX ? AT_ONCE_MAX : (size_t)cpus;
    size_t started = 0, done = 0;
    pd_err e = PD_OK;
    while (done < n) {
        while (e == PD_OK && started < n && started - done < most) {
            e = start(k, units[started], &jobs[started % most]);
            started += e == PD_OK;
        }
        if (done == started)
            return e; /* nothing runs any more */
        pd_err one = finish(k, units[done], &jobs[done % most], &texts[done]);
        e = e == PD_OK ? one : e;
        done++;
    }
    return e;
}
