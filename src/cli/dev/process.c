/* process.c - a child, its output and its end.
 *
 * The child's standard output and error are one end of a socket pair, so that the loop can read
 * them as it reads everything else; its end is told by a pidfd. Between fork and exec only system
 * calls are made: what the child needs is prepared before, and the one number that cannot be known
 * before, its own pid for LISTEN_PID, is written into the prepared text.
 *
 * A child leads a process group of its own: Ctrl-C on the terminal reaches only the supervisor,
 * which ends its children in order, and a signal to the child reaches what it has started.
 */
#include "cli/dev/dev.h"
#include <pando/log.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum {
    PID_DIGITS = 10,
    EXTRA = 8,
    SHOWN_TOGETHER = 64 << 10,
    READS_MAX = 16, /* at once: 256 KiB, more than the socket holds */
};

void dev_process_init(struct dev_process *p, size_t max, bool tail)
{
    *p = (struct dev_process){ .tail = tail };
    pd_buf_init(&p->text, NULL, max);
}

void dev_process_fini(struct dev_process *p)
{
    pd_buf_fini(&p->text);
}

/* --- output ---------------------------------------------------------------------------------- */

/* Of a tail the older half goes when it is full, of a build everything beyond the limit. */
static void keep(struct dev_process *p, pd_str piece)
{
    struct pd_buf *b = &p->text;
    if (p->tail && b->len + piece.len > b->max) {
        size_t half = b->len / 2;
        memmove(b->ptr, b->ptr + half, b->len - half);
        b->len -= half;
    }
    size_t room = b->max - b->len;
    pd_buf_put(b, pd_str_sub(piece, 0, room));
}

void dev_show(pd_str text)
{
    while (text.len) {
        pd_str piece = pd_str_sub(text, 0, SHOWN_TOGETHER);
        pd_log_lines(piece);
        text = pd_str_sub(text, piece.len, text.len);
    }
}

/* A child that writes without end must not hold the loop: the rest is read in the next turn. */
static void read_output(struct dev_process *p)
{
    static char bytes[16 << 10]; /* one thread; nothing of it is kept */
    for (int i = 0; p->reading && i < READS_MAX; i++) {
        ptrdiff_t n = pd_os_recv(p->output.sock, bytes, sizeof bytes);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            p->reading = false;
            pd_io_close(&p->output);
            return;
        }
        keep(p, pd_str_n(bytes, (size_t)n));
        if (!p->quiet)
            dev_show(pd_str_n(bytes, (size_t)n));
    }
}

static void output_ready(struct pd_io *io, unsigned events)
{
    (void)events;
    read_output(pd_container(io, struct dev_process, output));
}

/* What it wrote last is in the socket already; a grandchild may keep that open, which is no reason
 * to wait. */
static void exit_ready(struct pd_io *io, unsigned events)
{
    struct dev_process *p = pd_container(io, struct dev_process, exit);
    (void)events;
    if (!p->pid || waitpid(p->pid, &p->status, WNOHANG) != p->pid)
        return;
    read_output(p);
    if (p->reading)
        pd_io_close(&p->output);
    p->reading = false;
    pd_io_close(&p->exit);
    p->pid = 0;
    if (p->ended)
        p->ended(p, p->arg);
}

/* --- starting --------------------------------------------------------------------------------- */

struct prepared { /* before the fork */
    const struct dev_spawn *how;
    char **env;
    char *pid_digits; /* in env */
    int output;
    pid_t parent;
};

static bool replaced(const char *var)
{
    static const char *const names[] = { "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=",
                                         "NOTIFY_SOCKET=" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(var, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static char **environment(struct pd_arena *a, struct prepared *p)
{
    size_t n = 0, used = 0;
    const struct dev_spawn *how = p->how;
    while (environ[n])
        n++;
    char **env = pd_arena_new_n(a, char *, n + EXTRA);
    for (size_t i = 0; i < n; i++)
        if (!replaced(environ[i]) &&
            !(how->trusted && strncmp(environ[i], "TRUSTED_PROXIES=", 16) == 0))
            env[used++] = environ[i];
    if (how->trusted)
        env[used++] = pd_str_cstr(a, pd_str_fmt(a, "TRUSTED_PROXIES=%s", how->trusted));
    if (how->notify)
        env[used++] = pd_str_cstr(a, pd_str_fmt(a, "NOTIFY_SOCKET=%s", how->notify));
    if (how->listener >= 0) {
        env[used++] = pd_str_cstr(a, PD_STR("LISTEN_FDS=1"));
        env[used] = pd_str_cstr(a, PD_STR("LISTEN_PID=          "));
        p->pid_digits = env[used++] + sizeof "LISTEN_PID=" - 1;
    }
    return env;
}

static void write_pid(char *digits)
{
    char backwards[PID_DIGITS];
    int n = 0;
    for (pid_t pid = getpid(); pid > 0 && n < PID_DIGITS; pid /= 10)
        backwards[n++] = (char)('0' + pid % 10);
    while (n > 0)
        *digits++ = backwards[--n];
    *digits = '\0';
}

/* In the child, on its own output: see above. */
static void show(pd_str piece)
{
    while (piece.len) {
        ssize_t n = write(STDERR_FILENO, piece.ptr, piece.len);
        if (n < 0 && errno != EINTR)
            return;
        piece = pd_str_sub(piece, n > 0 ? (size_t)n : 0, piece.len);
    }
}

PD_NORETURN static void child_cannot(const char *what, const char *which)
{
    show(PD_STR("pando dev: cannot "));
    show(pd_str_c(what));
    show(PD_STR(" "));
    show(pd_str_c(which));
    show(PD_STR("\n"));
    _exit(127);
}

PD_NORETURN static void child(const struct prepared *p)
{
    static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGPIPE };
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        signal(caught[i], SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, p->how->death_signal);
    if (getppid() != p->parent)
        _exit(0); /* it died before we asked to be told */
    dup2(p->output, STDOUT_FILENO);
    dup2(p->output, STDERR_FILENO);
    if (p->how->listener == PD_OS_INHERITED)
        fcntl(PD_OS_INHERITED, F_SETFD, 0);
    else if (p->how->listener >= 0)
        dup2(p->how->listener, PD_OS_INHERITED);
    if (p->pid_digits)
        write_pid(p->pid_digits);
    if (chdir(p->how->dir) != 0)
        child_cannot("enter", p->how->dir);
    environ = p->env;
    execvp(p->how->argv[0], (char *const *)(uintptr_t)p->how->argv);
    child_cannot("run", p->how->argv[0]);
}

static pd_err watch_child(struct dev_process *p, int output)
{
    int exit_fd = pidfd_open(p->pid, PIDFD_NONBLOCK);
    if (exit_fd < 0)
        return pd_fail_errno(PD_EUNAVAIL, errno, "cannot watch a process");
    fcntl(exit_fd, F_SETFD, FD_CLOEXEC);
    pd_err err = pd_io_open(&p->exit, exit_fd, PD_OS_READ, exit_ready);
    if (err) {
        close(exit_fd);
        return err;
    }
    err = pd_io_open(&p->output, output, PD_OS_READ, output_ready);
    p->reading = err == PD_OK;
    if (err)
        pd_io_close(&p->exit);
    return err;
}

/* One that nobody can watch must not live. */
static pd_err end_unwatched(struct dev_process *p, int output, pd_err err)
{
    kill(-p->pid, SIGKILL);
    while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR)
        ;
    close(output);
    p->pid = 0;
    return err;
}

pd_err dev_process_start(struct dev_process *p, const struct dev_spawn *how)
{
    int pair[2];
    struct pd_arena a;
    pd_assert(p->pid == 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return pd_fail_errno(PD_EUNAVAIL, errno, "cannot make a pipe");
    fcntl(pair[0], F_SETFL, O_NONBLOCK); /* ours only: the child writes as to a terminal */
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "spawn" });
    struct prepared prepared = { .how = how, .output = pair[1], .parent = getpid() };
    prepared.env = environment(&a, &prepared);
    pd_buf_reset(&p->text);
    p->started = pd_mono_now();
    p->pid = fork();
    if (p->pid == 0)
        child(&prepared);
    int err = errno;
    close(pair[1]);
    pd_arena_fini(&a);
    if (p->pid < 0) {
        p->pid = 0;
        close(pair[0]);
        return pd_fail_errno(PD_EUNAVAIL, err, "cannot start a process");
    }
    setpgid(p->pid, p->pid); /* whoever is first; a signal to the group must find it */
    pd_err watched = watch_child(p, pair[0]);
    return watched ? end_unwatched(p, pair[0], watched) : PD_OK;
}

/* --- ending ----------------------------------------------------------------------------------- */

void dev_process_signal(struct dev_process *p, int signo)
{
    if (p->pid > 0)
        kill(-p->pid, signo);
}

pd_err dev_process_wait(struct dev_process *p, int64_t us)
{
    pd_mono old = pd_deadline_within(us);
    pd_err err = PD_OK;
    while (p->pid && !err)
        err = pd_io_wait(&p->exit, PD_OS_READ);
    pd_deadline_restore(old);
    return p->pid ? err : PD_OK; /* the io was closed by our own callback */
}

static const char *signal_name(int signo)
{
    const char *abbreviation = sigabbrev_np(signo);
    return abbreviation ? abbreviation : "?";
}

pd_str dev_process_fate(struct pd_arena *a, int status)
{
    if (WIFSIGNALED(status))
        return pd_str_fmt(a, "was killed by SIG%s", signal_name(WTERMSIG(status)));
    return pd_str_fmt(a, "ended with code %d", WEXITSTATUS(status));
}
