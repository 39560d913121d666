/* os.h - the whole contract between pando and the operating system.
 *
 * Everything above this layer reads clocks, draws random numbers, polls, and moves bytes through
 * these functions only. There are two implementations, chosen when a program is linked:
 *
 *   os_epoll.c   Linux: epoll, real sockets, real clocks. Production and system tests.
 *   os_sim.c     deterministic simulation: virtual time, sockets in memory, and delays, resets,
 *                short reads and writes and wake order drawn from one seed (sim.h is its remote
 *                control). Same seed and same program -> same run, to the byte.
 *
 * Threading: a pd_os_poll and the sockets added to it belong to one thread, except pd_os_poll_wake.
 * Nothing here yields, allocates per call, or fills the diag unless it says so: results are 0 or
 * more, or a negated errno value (-EAGAIN), because callers on the hot path branch on EAGAIN.
 */
#ifndef PD_OS_H
#define PD_OS_H

#include <pando/base.h>
#include <pando/fiber.h>

/* --- clocks and randomness ------------------------------------------------------------- */

pd_mono pd_os_mono(void); /* microseconds, monotonic, exact */
/* The same as it was at the system's last tick, at most pd_os_tick_us ago: for a quarter of the
 * cost. In simulation it is exact. */
pd_mono pd_os_mono_coarse(void);
int64_t pd_os_tick_us(void); /* some milliseconds; in simulation 1 */
pd_time pd_os_clock(void);   /* microseconds since the epoch, wall clock */
uint64_t pd_os_cpu_ns(void); /* CPU time of the calling thread; 0 in simulation */
/* Names the clock of the calling thread's CPU time, to be read by any thread while it lives. */
int pd_os_cpu_clock(void);
uint64_t pd_os_cpu_of(int clock);       /* ns; 0 in simulation, or if the thread has ended */
void pd_os_random(void *out, size_t n); /* cryptographic (from the seed in simulation) */

/* Which backend was linked. Only for what makes no sense in simulation (the stall watchdog). */
bool pd_os_simulated(void);
/* Which of n > 0 equal choices comes next: 0, or the seed's draw in simulation. */
unsigned pd_os_pick(unsigned n);

/* --- sockets ------------------------------------------------------------------------------ */

typedef int pd_os_sock; /* >= 0; a file descriptor under epoll, an index in simulation */

struct pd_os_addr { /* IPv4, IPv6 or unix; numeric only: no name resolution here */
    enum { PD_ADDR_NONE, PD_ADDR_IP4, PD_ADDR_IP6, PD_ADDR_UNIX } kind;
    uint16_t port;
    uint8_t ip[16];
    char path[108];
};
/* "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock"; false if malformed. */
bool pd_os_addr_parse(pd_str text, struct pd_os_addr *out);
enum { PD_OS_ADDR_TEXT = 120 };
pd_str pd_os_addr_format(const struct pd_os_addr *a, char *out);

struct pd_os_listen_opts {
    int backlog;     /* default 1024 */
    bool reuse_port; /* one socket per thread, the kernel balances */
};
/* All sockets are non-blocking, close-on-exec, TCP_NODELAY. Negated errno on failure. */
int pd_os_listen(const struct pd_os_addr *addr, const struct pd_os_listen_opts *opts);
int pd_os_listen_port(pd_os_sock listener); /* the port bound, for port 0 */
int pd_os_accept(pd_os_sock listener, struct pd_os_addr *peer);
/* Starts connecting: the socket is writable when connected or failed (then pd_os_sock_error). */
int pd_os_connect(const struct pd_os_addr *addr);
int pd_os_sock_error(pd_os_sock s);
ptrdiff_t pd_os_recv(pd_os_sock s, void *buf, size_t n); /* 0 = end of stream */
ptrdiff_t pd_os_send(pd_os_sock s, const void *buf, size_t n);
struct iovec;
ptrdiff_t pd_os_sendv(pd_os_sock s, const struct iovec *v, int n);
int pd_os_shutdown_write(pd_os_sock s);
void pd_os_close(pd_os_sock s);

/* --- poll ------------------------------------------------------------------------------------ */

enum pd_os_events {
    PD_OS_READ = 1,
    PD_OS_WRITE = 2,
    PD_OS_HUP = 4,
    PD_OS_FIRST = 8, /* no event: the socket is one of those that pd_os_poll_first asks */
};
struct pd_os_event {
    void *data;
    unsigned events;
};
struct pd_os_poll;
struct pd_os_poll *pd_os_poll_new(void); /* aborts if the system has no descriptors left */
void pd_os_poll_free(struct pd_os_poll *p);
/* Level-triggered unless `edge`. Interest is changed with set; 0 events keeps it registered.
 * PD_OS_HUP is reported without being asked for when the connection is broken both ways; asked for,
 * it also means that the peer has ended its half. PD_OS_FIRST goes with every add, set and del of a
 * socket or with none. */
int pd_os_poll_add(struct pd_os_poll *p, pd_os_sock s, unsigned events, bool edge, void *data);
int pd_os_poll_set(struct pd_os_poll *p, pd_os_sock s, unsigned events, bool edge, void *data);
int pd_os_poll_del(struct pd_os_poll *p, pd_os_sock s, unsigned events);
/* Waits until something is ready, `until` has come (PD_FOREVER: no limit; 0: do not wait), or a
 * wake. A wait of a second or more may end late by what the thread has done since it read the clock
 * last. Returns the number of events stored; in simulation -EDEADLK when `until` is PD_FOREVER and
 * nothing can ever happen again, and -ETIME when the world has passed its limit (pd_sim_limit). */
int pd_os_poll_wait(struct pd_os_poll *p, struct pd_os_event *out, int max, pd_mono until);
/* What is ready now of the sockets with PD_OS_FIRST, however many others are; does not wait, and
 * takes no wake. (pd_os_poll_wait reports them too, but each when its turn comes.) */
int pd_os_poll_first(struct pd_os_poll *p, struct pd_os_event *out, int max);
void pd_os_poll_wake(struct pd_os_poll *p); /* from any thread; wakes coalesce */

/* --- signals, threads ------------------------------------------------------------------------- */

/* From now on SIGTERM, SIGINT, SIGHUP and SIGUSR2 do not interrupt but are counted; the poll is
 * woken. pd_os_signal_take returns one of them, or 0. */
void pd_os_signals_catch(struct pd_os_poll *p);
int pd_os_signal_take(void);

/* Plain worker threads for offloaded work. In simulation jobs run on the loop's thread when virtual
 * time reaches the moment the seed chose. fn runs exactly once; `done` runs on the poll's thread
 * afterwards, out of pd_os_pool_reap. */
struct pd_os_pool;
struct pd_os_job {
    void (*fn)(void *arg);
    void *arg;
    void (*done)(struct pd_os_job *job);
    struct pd_os_poll *home; /* woken when fn has run */
    struct pd_os_job *next;  /* private */
    pd_mono at;              /* private */
};
struct pd_os_pool *pd_os_pool_new(unsigned threads, unsigned max_queued);
void pd_os_pool_free(struct pd_os_pool *p);                       /* finishes what is queued */
bool pd_os_pool_put(struct pd_os_pool *p, struct pd_os_job *job); /* false: queue full */
/* Takes back a job whose fn has not started: true, and neither fn nor done will run. */
bool pd_os_pool_cancel(struct pd_os_pool *p, struct pd_os_job *job);
/* Runs `done` of the finished jobs whose home this is. */
void pd_os_pool_reap(struct pd_os_pool *p, struct pd_os_poll *home);

/* --- the service manager ------------------------------------------------------------------------
 */

/* How many listening sockets were handed to this process when it was started (LISTEN_FDS and
 * LISTEN_PID of systemd); they are the descriptors from PD_OS_INHERITED on. 0: none; -EINVAL:
 * malformed. Takes the variables out of the environment, so ask once, before there are threads. */
enum { PD_OS_INHERITED = 3 };
int pd_os_inherited(void);
/* Makes such a descriptor what pd_os_listen gives, and returns it. -EINVAL if it is no listening
 * stream socket. */
int pd_os_listen_adopt(int fd);
/* One more descriptor for the same socket and queue: several loops may accept from it. */
int pd_os_listen_again(pd_os_sock listener);
/* Tells the service manager ("READY=1", "STOPPING=1") if it asked for it by NOTIFY_SOCKET. Waits a
 * second at most for one that does not read. */
void pd_os_notify(const char *state);

/* --- files ---------------------------------------------------------------------------------------
 */
/* Small whole files, blocking: start-up, command-line tools, offloaded work. These fill the diag.
 */
pd_err pd_os_file_read(struct pd_arena *a, pd_str path, size_t max, pd_str *out) PD_MUST;
/* Writes to a temporary name, syncs, renames: the file is either old or new. */
pd_err pd_os_file_write(pd_str path, pd_str content, unsigned mode) PD_MUST;
pd_err pd_os_dir_make(pd_str path) PD_MUST; /* with parents; existing is fine */

#endif
