/* symbols.c - see symbols.h.
 *
 * addr2line -a -f -i prints, for each address it is given, the address itself, then two lines for
 * each place: the function and file:line. What is unknown is "??" and "??:0".
 */
#include "base/symbols.h"

#include <pando/buf.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_ARGS = 64, /* addresses in one call */
    OFFSET_TEXT = 20,
    MAX_OUTPUT = 1 << 20,
    MAX_PLACES = 16,
    DEADLINE_MS = 10000,
};

static size_t rfind(pd_str s, char c)
{
    for (size_t at = s.len; at > 0; at--)
        if (s.ptr[at - 1] == c)
            return at - 1;
    return PD_NPOS;
}

/* --- reading a report ---------------------------------------------------------------------------
 */

static bool read_hex(pd_str hex, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    *out = 0;
    for (size_t i = 0; i < hex.len; i++) {
        const char *digit = memchr(digits, hex.ptr[i], 16);
        if (!digit)
            return false;
        *out = *out << 4 | (uint64_t)(digit - digits);
    }
    return hex.len > 0 && hex.len <= 16;
}

bool pd_symbols_parse_line(pd_str line, struct pd_frame *out)
{
    line = pd_str_trim(line);
    size_t space = pd_str_find(line, ' ');
    size_t open = rfind(line, '(');
    if (!pd_str_starts(line, PD_STR("#")) || space == PD_NPOS || open == PD_NPOS || open <= space)
        return false;
    pd_str offset = pd_str_sub(line, open, PD_NPOS);
    if (!pd_str_starts(offset, PD_STR("(+0x")) || !pd_str_ends(offset, PD_STR(")")))
        return false;
    pd_str hex = pd_str_sub(offset, 4, offset.len - 1);
    uint64_t v;
    if (!read_hex(hex, &v))
        return false;
    *out = (struct pd_frame){ .object = pd_str_sub(line, space + 1, open), .offset = v };
    return true;
}

unsigned pd_symbols_parse(pd_str text, struct pd_frame *frames, unsigned max)
{
    unsigned n = 0;
    pd_str line;
    while (n < max && pd_str_split(&text, '\n', &line))
        n += pd_symbols_parse_line(line, &frames[n]);
    return n;
}

struct pd_frame pd_symbols_frame(struct pd_arena *a, const void *at, bool is_return)
{
    uintptr_t pc = (uintptr_t)at - (is_return && at);
    Dl_info info;
    struct link_map *map = NULL;
    if (!dladdr1((const void *)pc, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
        return (struct pd_frame){ .offset = pc };
    char self[512];
    pd_str object = pd_str_c(map->l_name);
    if (object.len == 0) { /* the program itself */
        ssize_t got = readlink("/proc/self/exe", self, sizeof self);
        object = pd_str_n(self, got > 0 ? (size_t)got : 0);
    }
    return (struct pd_frame){ .object = pd_str_dup(a, object), .offset = pc - map->l_addr };
}

/* --- running addr2line --------------------------------------------------------------------------
 */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pd_err spawn(char **argv, pid_t *pid, int *out)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return pd_fail_errno(PD_EOVERLOAD, errno, "no pipe for addr2line");
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int err = posix_spawnp(pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    close(fds[1]);
    if (err) {
        close(fds[0]);
        return pd_hint(pd_fail_errno(PD_EUNAVAIL, err, "addr2line cannot be run"),
                       "it is in the package binutils");
    }
    *out = fds[0];
    return PD_OK;
}

static pd_err read_until(int fd, int64_t deadline, struct pd_buf *b)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return pd_fail(PD_ETIME, "addr2line took longer than %d s", DEADLINE_MS / 1000);
        char *at = pd_buf_reserve(b, 4096);
        ssize_t got = at ? read(fd, at, 4096) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return PD_OK;
        b->len += (size_t)got;
    }
}

static pd_err run(struct pd_arena *a, char **argv, int64_t deadline, pd_str *output)
{
    pid_t pid;
    int out = -1;
    struct pd_buf b;
    PD_TRY(spawn(argv, &pid, &out));
    pd_buf_init(&b, a, MAX_OUTPUT);
    pd_err e = read_until(out, deadline, &b);
    close(out);
    if (e != PD_OK || b.failed)
        kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *output = pd_buf_str(&b);
    return e;
}

/* --- what it says -------------------------------------------------------------------------------
 */

/* In place: the compiler notes "/app/build/../modules/x.c". */
static pd_str normalise(struct pd_arena *a, pd_str path)
{
    struct pd_buf b;
    pd_buf_init(&b, a, path.len + 1);
    bool absolute = pd_str_starts(path, PD_STR("/"));
    pd_str part;
    while (pd_str_split(&path, '/', &part)) {
        pd_str have = pd_buf_str(&b);
        size_t slash = rfind(have, '/');
        if (part.len == 0 || pd_str_eq(part, PD_STR(".")))
            continue;
        if (pd_str_eq(part, PD_STR("..")) && slash != PD_NPOS) {
            b.len = slash;
            continue;
        }
        if (have.len > 0 || absolute)
            pd_buf_put_c(&b, '/');
        pd_buf_put(&b, part);
    }
    return pd_buf_str(&b);
}

static void put_place(struct pd_arena *a, struct pd_frame *f, pd_str function, pd_str where)
{
    if (!f->places)
        f->places = pd_arena_new_n(a, struct pd_place, MAX_PLACES);
    if (f->nplaces == MAX_PLACES)
        return;
    struct pd_place *p = &f->places[f->nplaces++];
    if (!pd_str_starts(function, PD_STR("??")))
        p->function = pd_str_dup(a, function);
    size_t space = pd_str_find(where, ' '); /* "x.c:12 (discriminator 2)" */
    where = pd_str_sub(where, 0, space);
    size_t colon = rfind(where, ':');
    if (colon == PD_NPOS || pd_str_starts(where, PD_STR("??")))
        return;
    int64_t line = 0;
    p->file = normalise(a, pd_str_sub(where, 0, colon));
    if (pd_str_to_i64(pd_str_sub(where, colon + 1, PD_NPOS), &line) && line < INT32_MAX)
        p->line = (int)line;
}

static void take_output(struct pd_arena *a, pd_str output, struct pd_frame *const *asked,
                        unsigned n)
{
    unsigned at = 0;
    pd_str line, where;
    while (pd_str_split(&output, '\n', &line)) {
        if (pd_str_starts(line, PD_STR("0x")))
            at++;
        else if (at > 0 && at <= n && pd_str_split(&output, '\n', &where))
            put_place(a, asked[at - 1], line, where);
    }
}

/* All frames of the file that frames[first] is in, from there on. */
static pd_err find_in_object(struct pd_arena *a, struct pd_frame *frames, unsigned first,
                             unsigned n, bool *done, int64_t deadline)
{
    char offsets[MAX_ARGS][OFFSET_TEXT];
    char *argv[MAX_ARGS + 7] = { "addr2line", "-a", "-f", "-i", "-e" };
    struct pd_frame *asked[MAX_ARGS];
    unsigned used = 0;
    pd_str object = frames[first].object, output;
    for (unsigned i = first; i < n && used < MAX_ARGS; i++) {
        if (done[i] || !pd_str_eq(frames[i].object, object))
            continue;
        done[i] = true;
        snprintf(offsets[used], OFFSET_TEXT, "0x%llx", (unsigned long long)frames[i].offset);
        argv[6 + used] = offsets[used];
        asked[used++] = &frames[i];
    }
    argv[5] = pd_str_cstr(a, object);
    argv[6 + used] = NULL;
    PD_TRY(run(a, argv, deadline, &output));
    take_output(a, output, asked, used);
    return PD_OK;
}

pd_err pd_symbols_find(struct pd_arena *a, struct pd_frame *frames, unsigned n)
{
    int64_t deadline = now_ms() + DEADLINE_MS;
    bool *done = pd_arena_new_n(a, bool, n + 1);
    for (unsigned i = 0; i < n; i++)
        if (!done[i] && pd_str_starts(frames[i].object, PD_STR("/")))
            PD_TRY(find_in_object(a, frames, i, n, done, deadline));
    return PD_OK;
}

/* --- whose code --------------------------------------------------------------------------------
 */

static bool ends_with_any(pd_str s, const char *const *ends)
{
    for (; *ends; ends++)
        if (pd_str_ends(s, pd_str_c(*ends)))
            return true;
    return false;
}

static bool is_generated(pd_str file)
{
    static const char *const ends[] = { "_sql.c",   "_sql.h",       "_shapes.c", "_views.c",
                                        "_views.h", "assets_gen.c", NULL };
    return ends_with_any(file, ends);
}

/* "…/src/web/dispatch.c": a layer's folder, and a file right in it. The rest of the path says
 * little: the platform may have been compiled anywhere. */
bool pd_symbols_is_platform(pd_str file)
{
    static const char *const folders[] = { "/src/base/", "/src/os/",   "/src/run/",
                                           "/src/net/",  "/src/http/", "/src/data/",
                                           "/src/web/",  "/src/app/",  "/include/pando/" };
    if (!file.len || is_generated(file))
        return true;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t at = pd_str_find_str(file, pd_str_c(folders[i]));
        if (at != PD_NPOS &&
            pd_str_find(pd_str_sub(file, at + strlen(folders[i]), PD_NPOS), '/') == PD_NPOS)
            return true;
    }
    return false;
}
