/* fail.c - libtorture: makes one place of a program fail, and looks for what it leaves behind.
 *
 *     LD_PRELOAD=libtorture.so TORTURE_FILE=record TORTURE_EXE=/path/of/program
 *         [TORTURE_SITE=hash TORTURE_NTH=1 TORTURE_MODE=once|forever]
 *         [TORTURE_REQUEST=low-high,…] [TORTURE_TESTS=each|1,5,…]  program …
 *
 * It takes the place of malloc and of the system calls in calls.def. Each call finds its site
 * (fail.h) by walking the stack, counts it in the record, and fails if it is the chosen one. A call
 * that serves a request has one of the functions at TORTURE_REQUEST among its callers. Only
 * the program named by TORTURE_EXE is tortured; what it starts is not.
 *
 * Of a program of cmocka tests all run (with "each" the record says which test reaches which site),
 * or the ones that TORTURE_TESTS numbers, from 0. No test here has a state from its group.
 *
 * At exit the blocks that are still allocated are looked for as a garbage collector would:
 * beginning at every writable segment, the main thread's stack and thread-locals. What nothing
 * points to has leaked. (AddressSanitizer's leak check does the same; this one needs no other
 * build, so what is tortured is what is shipped.)
 */
#undef _FILE_OFFSET_BITS /* both kinds of names are taken: open and open64 */
#include "fail.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <libintl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <setjmp.h> /* cmocka.h wants it */
#include <cmocka.h>

enum { WALK_MAX = 48, FAR_MAX = 128, REQUEST_MAX = 8, BLOCKS = 1 << 19 };

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

struct block {
    uintptr_t at; /* 0: free; 1: was used */
    size_t bytes;
    uint64_t frame[FRAMES];
    bool marked;
};

static struct {
    struct record *record; /* NULL: not tortured */
    struct block *blocks;
    uintptr_t low, high; /* of the program's code */
    struct {
        uintptr_t low, high;
    } request[REQUEST_MAX];
    uint64_t target;
    uint32_t nth;
    bool forever;
    int test;        /* that runs; -1: none */
    size_t overflow; /* blocks the table had no room for: then no leak is looked for */
} state = { .test = -1 };

static _Thread_local int inside __attribute__((tls_model("initial-exec")));
static int lock_word;

static void lock(void)
{
    while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void unlock(void)
{
    __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
}

/* --- sites --------------------------------------------------------------------------------- */

struct walk {
    uint64_t frame[FRAMES];
    int n, steps;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    uintptr_t ip = _Unwind_GetIP(context);
    if (ip >= state.low && ip < state.high)
        w->frame[w->n++] = ip - state.low;
    return w->n == FRAMES || ++w->steps == WALK_MAX ? _URC_END_OF_STACK : _URC_NO_REASON;
}

struct far_walk {
    int steps;
    bool request;
};

static _Unwind_Reason_Code far_step(struct _Unwind_Context *context, void *arg)
{
    struct far_walk *w = arg;
    uintptr_t at = _Unwind_GetIP(context) - state.low - 1;
    for (int i = 0; i < REQUEST_MAX; i++)
        w->request |= at >= state.request[i].low && at < state.request[i].high;
    return w->request || ++w->steps == FAR_MAX ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static uint32_t serves_request(void)
{
    struct far_walk w = { 0 };
    inside++;
    _Unwind_Backtrace(far_step, &w);
    inside--;
    return w.request;
}

static void read_ranges(const char *text)
{
    for (int i = 0; text && *text && i < REQUEST_MAX; i++) {
        char *at;
        state.request[i].low = strtoull(text, &at, 16);
        state.request[i].high = *at ? strtoull(at + 1, &at, 16) : 0;
        text = *at ? at + 1 : NULL;
    }
}

static uint64_t hash_of(const char *name, const struct walk *w)
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    for (int i = 0; i < w->n && i < 3; i++) /* the fourth is for the reader */
        h = (h ^ w->frame[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return h;
}

static struct site *site_of(const char *name, const struct walk *w)
{
    struct record *r = state.record;
    uint64_t h = hash_of(name, w);
    for (uint32_t i = 0; i < SITES_MAX; i++) {
        struct site *s = &r->sites[(h + i) % SITES_MAX];
        if (s->hash == h)
            return s;
        if (s->hash)
            continue;
        if (r->nsites > SITES_MAX - SITES_MAX / 8)
            break;
        r->nsites++;
        s->hash = h;
        memcpy(s->frame, w->frame, sizeof s->frame);
        strncpy(s->name, name, sizeof s->name - 1);
        return s;
    }
    r->lost_sites++;
    return NULL;
}

/* Counts the call; true if it is to fail. Saves errno: a call that works leaves it alone. */
static bool reached(const char *name, struct walk *w)
{
    *w = (struct walk){ 0 };
    if (!state.record || inside)
        return false;
    int saved = errno;
    inside++;
    _Unwind_Backtrace(step, w);
    inside--;
    errno = saved;
    if (w->n == 0)
        return false;
    lock();
    struct site *s = site_of(name, w);
    bool fires = false;
    if (s) {
        s->count++;
        if (state.test >= 0)
            s->tests[state.test / 64] |= (uint64_t)1 << state.test % 64;
        fires = s->hash == state.target &&
                (s->count == state.nth || (state.forever && s->count > state.nth));
        s->fired += fires;
        state.record->fired += fires;
    }
    unlock();
    if (fires) {
        state.record->in_request = serves_request();
        errno = saved;
    }
    return fires;
}

static void *real(const char *name)
{
    inside++;
    void *p = dlsym(RTLD_NEXT, name);
    inside--;
    return p;
}

/* --- blocks ---------------------------------------------------------------------------------- */

static struct block *slot_of(uintptr_t at)
{
    uint64_t h = at * 0x9e3779b97f4a7c15u;
    return &state.blocks[h >> 45];
}

static struct block *next_slot(struct block *b)
{
    return b + 1 == state.blocks + BLOCKS ? state.blocks : b + 1;
}

static void note(void *p, size_t bytes, const struct walk *w)
{
    if (!p || !state.record || w->n == 0)
        return;
    lock();
    struct block *b = slot_of((uintptr_t)p);
    int far = 0;
    while (b->at > 1 && ++far < 4096)
        b = next_slot(b);
    if (b->at > 1) {
        state.overflow++;
    } else {
        *b = (struct block){ .at = (uintptr_t)p, .bytes = bytes };
        memcpy(b->frame, w->frame, sizeof b->frame);
    }
    unlock();
}

static void forget(void *p)
{
    if (!p || !state.record)
        return;
    lock();
    struct block *b = slot_of((uintptr_t)p);
    for (int far = 0; b->at && far < 4096; far++, b = next_slot(b)) {
        if (b->at != (uintptr_t)p)
            continue;
        b->at = next_slot(b)->at ? 1 : 0;
        break;
    }
    unlock();
}

void *malloc(size_t n)
{
    struct walk w;
    if (reached("malloc", &w)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = __libc_malloc(n);
    note(p, n, &w);
    return p;
}

void *calloc(size_t n, size_t size)
{
    struct walk w;
    if (reached("calloc", &w)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = __libc_calloc(n, size);
    note(p, n * size, &w);
    return p;
}

void *realloc(void *old, size_t n)
{
    struct walk w;
    if (reached("realloc", &w)) {
        errno = ENOMEM;
        return NULL;
    }
    forget(old);
    void *p = __libc_realloc(old, n);
    note(p, n, &w);
    return p;
}

void free(void *p)
{
    forget(p);
    __libc_free(p);
}

/* --- system calls ------------------------------------------------------------------------------
 */

/* What glibc allocates for a thread it keeps with the thread's stack, out of our sight: not noted.
 */
int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    struct walk w;
    if (!next)
        next = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))real(
            "pthread_create");
    if (reached("pthread_create", &w))
        return EAGAIN;
    inside++;
    int e = next(t, attr, fn, arg);
    inside--;
    return e;
}

/* A connection that failed does not work again: its peer sees that too. */
static ssize_t broken(int fd)
{
    int saved = errno;
    syscall(SYS_shutdown, fd, SHUT_RDWR);
    errno = saved;
    return -1;
}

#define CALL(type, name, params, args, bad, error)                                                 \
    type name params                                                                               \
    {                                                                                              \
        static type(*next) params;                                                                 \
        struct walk w;                                                                             \
        if (!next)                                                                                 \
            next = (type(*) params)real(#name);                                                    \
        if (reached(#name, &w)) {                                                                  \
            errno = error;                                                                         \
            return bad;                                                                            \
        }                                                                                          \
        return next args;                                                                          \
    }
#include "calls.def"
#undef CALL

#define OPEN(name, params, at, path, last)                                                         \
    int name params                                                                                \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, last);                                                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                    \
        va_end(more);                                                                              \
        struct walk w;                                                                             \
        if (reached(#name, &w)) {                                                                  \
            errno = EMFILE;                                                                        \
            return -1;                                                                             \
        }                                                                                          \
        return (int)syscall(SYS_openat, at, path, flags, mode);                                    \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD, path, flags)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, path, flags)
OPEN(openat, (int dir, const char *path, int flags, ...), dir, path, flags)

/* What gettext keeps for ever of a library's messages is not the program's leak; nor is what the
 * unwinder keeps. */
char *bindtextdomain(const char *domain, const char *dir)
{
    static char *(*next)(const char *, const char *);
    if (!next)
        next = (char *(*)(const char *, const char *))real("bindtextdomain");
    inside++;
    char *got = next(domain, dir);
    inside--;
    return got;
}

int backtrace(void **out, int n)
{
    static int (*next)(void **, int);
    if (!next)
        next = (int (*)(void **, int))real("backtrace");
    inside++;
    int got = next(out, n);
    inside--;
    return got;
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t room);
ssize_t __read_chk(int fd, void *p, size_t n, size_t room) /* read, as _FORTIFY_SOURCE calls it */
{
    struct walk w;
    (void)room;
    if (reached("read", &w)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_read, fd, p, n);
}

int fcntl64(int fd, int what, ...);
int fcntl64(int fd, int what, ...) /* SQLite's locks; the argument is a pointer or an int */
{
    static int (*next)(int, int, ...);
    va_list more;
    va_start(more, what);
    void *arg = va_arg(more, void *);
    va_end(more);
    struct walk w;
    if (!next)
        next = (int (*)(int, int, ...))real("fcntl64");
    if ((what == F_SETLK || what == F_SETLKW) && reached("fcntl64", &w)) {
        errno = EIO;
        return -1;
    }
    return next(fd, what, arg);
}

/* To let go of a socket that the poll knows needs nothing and does not fail; were it made to, the
 * poll would go on telling of an io that is no more. */
int epoll_ctl(int e, int op, int fd, struct epoll_event *ev)
{
    struct walk w;
    if (op != EPOLL_CTL_DEL && reached("epoll_ctl", &w)) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, e, op, fd, ev);
}

/* --- tests -------------------------------------------------------------------------------------
 */

typedef int group_runner(const char *name, const struct CMUnitTest *tests, size_t n,
                         CMFixtureFunction set_up, CMFixtureFunction tear_down);

static struct CMUnitTest group[TESTS_MAX]; /* what runs */
static const struct CMUnitTest
    *original[TESTS_MAX]; /* of group[i]; its initial_state is &original[i] */
static struct timespec test_began;

/* Says which test runs and how long the one before it took. */
static void test_begins(int i)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (state.test >= 0)
        state.record->test_us[state.test] = (uint32_t)((now.tv_sec - test_began.tv_sec) * 1000000 +
                                                       (now.tv_nsec - test_began.tv_nsec) / 1000);
    state.test = i;
    test_began = now;
}

static int mark(void **test_state)
{
    const struct CMUnitTest **from = *test_state;
    test_begins((int)(from - original));
    *test_state = (*from)->initial_state;
    return (*from)->setup_func ? (*from)->setup_func(test_state) : 0;
}

/* All tests in their order, so that each site is known with the tests that reach it. What the
 * group's fixture reaches counts for its first and last test. */
static int run_marked(group_runner *run, const char *name, const struct CMUnitTest *tests, size_t n,
                      CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    for (size_t i = 0; i < n; i++) {
        original[i] = &tests[i];
        group[i] = tests[i];
        group[i].setup_func = mark;
        group[i].initial_state = &original[i];
    }
    test_begins(0);
    int failed = run(name, group, n, set_up, tear_down);
    test_begins(-1);
    return failed;
}

/* Copies the tests that `list` numbers, in its order; returns how many. */
static size_t pick(struct CMUnitTest *out, const struct CMUnitTest *tests, size_t n,
                   const char *list)
{
    size_t picked = 0;
    while (*list && picked < TESTS_MAX) {
        char *end;
        unsigned long i = strtoul(list, &end, 10);
        if (end == list)
            break;
        if (i < n)
            out[picked++] = tests[i];
        list = *end ? end + 1 : end;
    }
    return picked;
}

group_runner _cmocka_run_group_tests;
int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t n,
                            CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    group_runner *run = (group_runner *)real("_cmocka_run_group_tests");
    const char *which = getenv("TORTURE_TESTS");
    if (!which || !state.record || n > TESTS_MAX)
        return run(name, tests, n, set_up, tear_down);
    state.record->ntests = (uint32_t)n;
    if (strcmp(which, "each") == 0)
        return run_marked(run, name, tests, n, set_up, tear_down);
    return run(name, group, pick(group, tests, n, which), set_up, tear_down);
}

/* --- leaks -------------------------------------------------------------------------------------
 */

static struct block **sorted;
static size_t nsorted, nstack;
static struct block **stack;

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (*(struct block *const *)a)->at, y = (*(struct block *const *)b)->at;
    return x < y ? -1 : x > y;
}

/* The block `p` points into, or NULL. */
static struct block *block_at(uintptr_t p)
{
    size_t low = 0, high = nsorted;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (sorted[mid]->at <= p)
            low = mid + 1;
        else
            high = mid;
    }
    struct block *b = low ? sorted[low - 1] : NULL;
    return b && p <= b->at + b->bytes ? b : NULL;
}

static void scan(uintptr_t from, uintptr_t to)
{
    from = (from + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    for (; from + sizeof(void *) <= to; from += sizeof(void *)) {
        struct block *b = block_at(*(const uintptr_t *)from);
        if (!b || b->marked)
            continue;
        b->marked = true;
        stack[nstack++] = b;
    }
    while (nstack) {
        struct block *b = stack[--nstack];
        scan(b->at, b->at + b->bytes);
    }
}

static int scan_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + ph->p_vaddr;
        if (ph->p_type == PT_LOAD && ph->p_flags & PF_W)
            scan(at, at + ph->p_memsz);
        if (ph->p_type == PT_TLS && info->dlpi_tls_data)
            scan((uintptr_t)info->dlpi_tls_data, (uintptr_t)info->dlpi_tls_data + ph->p_memsz);
    }
    return 0;
}

static void *private_pages(size_t bytes)
{
    return (void *)syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
}

static void report_leaks(struct record *r)
{
    for (size_t i = 0; i < nsorted; i++) {
        if (sorted[i]->marked)
            continue;
        if (r->nleaks < LEAKS_MAX) {
            r->leaks[r->nleaks].bytes = sorted[i]->bytes;
            memcpy(r->leaks[r->nleaks].frame, sorted[i]->frame, sizeof sorted[i]->frame);
        }
        r->nleaks++;
    }
}

__attribute__((noinline)) static void find_leaks(struct record *r)
{
    pthread_attr_t attr;
    void *low;
    size_t size;
    char here[64]; /* the stack from here on */
    sorted = private_pages(BLOCKS * sizeof *sorted);
    stack = private_pages(BLOCKS * sizeof *stack);
    for (size_t i = 0; i < BLOCKS; i++)
        if (state.blocks[i].at > 1)
            sorted[nsorted++] = &state.blocks[i];
    qsort(sorted, nsorted, sizeof *sorted, by_address);
    dl_iterate_phdr(scan_module, NULL);
    uintptr_t self = (uintptr_t)__builtin_thread_pointer();
    scan(self, self + 2304); /* struct pthread: what pthread_setspecific keeps */
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &low, &size);
        scan((uintptr_t)here, (uintptr_t)low + size);
        pthread_attr_destroy(&attr);
    }
    report_leaks(r);
}

static uint32_t count_descriptors(void)
{
    uint32_t n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += syscall(SYS_fcntl, fd, F_GETFD) >= 0;
    return n;
}

/* A thread that is left to itself (a request to cancel, src/data/pg_cancel.c) may have something in
 * hand when the program ends: that has not leaked. */
static void await_threads(void)
{
    struct stat st;
    for (int i = 0; i < 100; i++) {
        if (stat("/proc/self/task", &st) != 0 || st.st_nlink <= 3) /* ".", ".." and this one */
            return;
        nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000000 }, NULL);
    }
}

__attribute__((destructor)) static void finish(void)
{
    struct record *r = state.record;
    if (!r)
        return;
    inside++;
    await_threads();
    r->descriptors = count_descriptors();
    if (!state.overflow)
        find_leaks(r);
    r->finished = 1;
    state.record = NULL;
}

/* --- beginning ----------------------------------------------------------------------------------
 */

static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    state.low = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type == PT_LOAD && ph->p_flags & PF_X)
            state.high = info->dlpi_addr + ph->p_vaddr + ph->p_memsz;
    }
    return 1; /* the first is the program */
}

static bool is_target(void)
{
    char path[1024];
    const char *wanted = getenv("TORTURE_EXE");
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0 || !wanted)
        return false;
    path[n] = 0;
    return strcmp(path, wanted) == 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("TORTURE_FILE"), *site = getenv("TORTURE_SITE");
    const char *nth = getenv("TORTURE_NTH"), *mode = getenv("TORTURE_MODE");
    struct walk w = { .n = FRAMES - 1 };
    if (!file || !is_target())
        return;
    inside++;
    _Unwind_Backtrace(step, &w); /* its first call loads what it needs */
    inside--;
    dl_iterate_phdr(find_program, NULL);
    state.target = site ? strtoull(site, NULL, 16) : 0;
    state.nth = nth ? (uint32_t)atoi(nth) : 1;
    read_ranges(getenv("TORTURE_REQUEST"));
    state.forever = mode && strcmp(mode, "forever") == 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || syscall(SYS_ftruncate, fd, (long)sizeof(struct record)) != 0)
        return;
    state.blocks = private_pages(BLOCKS * sizeof *state.blocks);
    void *p = (void *)syscall(SYS_mmap, NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
                              MAP_SHARED, fd, 0L);
    syscall(SYS_close, fd);
    if (p != MAP_FAILED)
        state.record = p;
}
