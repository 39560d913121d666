/* dev.h - `pando dev`: a supervisor and reverse proxy for one app. What its files share.
 *
 * It owns the public socket for its whole life, so a browser is never refused. Behind it runs one
 * process of the app at a time, on an inner socket that is handed from each process to the next.
 * A saved file starts a build; a good one replaces the process; requests that come meanwhile wait.
 *
 *   supervise.c  the main fiber: build, replace, restart, and who may pass when
 *   process.c    children: starting them, their output, their end
 *   watch.c      which files were saved
 *   problems.c   what a build says -> problems with file and line
 *   modules.c    modules that no list of the app names -> problems
 *   crash.c      what a dying program says -> a crash with frames and lines
 *   proxy.c      a request through to the program, or why not
 *   inject.c     the script tag into whole pages
 *   page.c       pages and problem documents of the supervisor's own
 *   events.c     what the script in the page is told
 *
 * Everything runs on one loop, and so on one thread. It never runs in simulation: children,
 * inotify and the terminal are used directly.
 */
#ifndef PD_CLI_DEV_H
#define PD_CLI_DEV_H

#include "http/client.h"
#include "http/http.h"

#include <sys/types.h>

enum {
    DEV_TAIL = 64 << 10,      /* of a program's output is kept */
    DEV_BUILD_TEXT = 1 << 20, /* of a build's output is read */
    DEV_MAX_HELD = 1000,      /* requests that wait for the program */
    DEV_MAX_PROBLEMS = 100,
    DEV_MAX_FRAMES = 64,
};

/* --- children (process.c) ------------------------------------------------------------------ */

struct dev_process { /* reused for one child after the other */
    pid_t pid;       /* 0: none runs */
    int status;      /* of the last one, as waitpid gives it */
    pd_mono started;
    struct pd_io exit, output;
    bool reading;       /* output is open */
    struct pd_buf text; /* its output: all up to `max`, or the end of it if `tail` */
    bool tail, quiet;   /* quiet: not shown on the terminal as well */
    void (*ended)(struct dev_process *p, void *arg); /* on the loop's stack, or NULL */
    void *arg;
};
struct dev_spawn {
    const char *const *argv;
    const char *dir;
    int listener;        /* handed over as descriptor 3; -1: none */
    const char *notify;  /* NOTIFY_SOCKET; NULL: none */
    const char *trusted; /* TRUSTED_PROXIES; NULL: left as it is */
    int death_signal;    /* when the supervisor dies */
};
void dev_process_init(struct dev_process *p, size_t max, bool tail);
void dev_process_fini(struct dev_process *p);
/* Forks and executes; a program that is not there ends with status 127 and says so. */
pd_err dev_process_start(struct dev_process *p, const struct dev_spawn *how) PD_MUST;
/* To the child and the children it has. Nothing if there is none. */
void dev_process_signal(struct dev_process *p, int signo);
/* Until it has ended, at most `us`; PD_ETIME. */
pd_err dev_process_wait(struct dev_process *p, int64_t us) PD_MUST PD_YIELDS;
/* On the terminal, by the log's thread: one that takes nothing for a while (Ctrl-S) holds nobody
 * up. What it has not taken is bounded; beyond that pieces are left out, and that is said. */
void dev_show(pd_str text);
/* "ended with code 3", "was killed by SIGSEGV". */
pd_str dev_process_fate(struct pd_arena *a, int status);

/* --- files (watch.c) ------------------------------------------------------------------------ */

struct dev_watch;
/* Watches the folder and all below it but build/, var/, hidden ones and node_modules/. `saved` is
 * called on the loop's stack for each file written, moved or removed. PD_EUNAVAIL if the system's
 * limit of watches is reached. */
pd_err dev_watch_open(const char *dir, void (*saved)(void *arg, const char *path), void *arg,
                      struct dev_watch **out) PD_MUST;
void dev_watch_close(struct dev_watch *w);
/* Whether a file of this name means work: no hidden, temporary or generated one. */
bool dev_watch_wants(pd_str name);

/* --- what a build says (problems.c) --------------------------------------------------------- */

struct dev_problem {
    bool warning;
    pd_str file; /* null: it has none */
    int line, column;
    pd_str code;            /* "PD-SQL-012", for `pando explain`; empty: none */
    pd_str message, remedy; /* remedy null: none was given */
    pd_str excerpt;         /* lines of the source, or of the output */
};
struct dev_problems {
    struct dev_problem at[DEV_MAX_PROBLEMS];
    unsigned n, errors, warnings;
};
/* Reads the output of make, gcc, ld and `pando gen`. Paths are made relative to `dir` where they
 * can be found. `failed`: there is at least one error then, made of the output's end if need be. */
void dev_problems_read(struct pd_arena *a, pd_str output, const char *dir, bool failed,
                       struct dev_problems *out);
/* Adds a warning for each module that the app does not list (modules.c). */
void dev_problems_add_unlisted(struct pd_arena *a, const char *dir, struct dev_problems *out);
/* Lines around `line` of a file, numbered, the line itself marked; null if it cannot be read. */
pd_str dev_excerpt(struct pd_arena *a, pd_str path, int line);
/* The path as seen from dir, if it is below it; else as it is. */
pd_str dev_path_short(pd_str path, const char *dir);

/* --- what a dying program says (crash.c) ------------------------------------------------------ */

struct dev_frame {
    pd_str function, file; /* null: unknown */
    int line;
};
struct dev_crash {
    pd_str message; /* "SIGSEGV: …" */
    pd_str request; /* "GET /accounts/7"; null: not said */
    pd_str curl;    /* null: not said */
    pd_str fate;    /* "was killed by SIGSEGV" */
    pd_str output;  /* the last lines */
    pd_str excerpt; /* around the app's own innermost line; null: none */
    struct dev_frame frames[DEV_MAX_FRAMES];
    unsigned nframes;
};
/* Runs addr2line on the offload pool where the report has frames without lines. */
void dev_crash_read(struct pd_arena *a, pd_str output, int status, const char *dir,
                    struct dev_crash *out) PD_YIELDS;

/* --- the supervisor (supervise.c, program.c) ------------------------------------------------- */

enum dev_state {
    DEV_NONE,     /* there was no good build yet */
    DEV_STARTING, /* … or being replaced: requests wait */
    DEV_READY,
    DEV_DOWN, /* it does not start, or dies again and again: requests are told */
};
enum dev_trouble { DEV_FINE, DEV_BUILD_FAILED, DEV_CRASHED }; /* what the last attempt came to */

struct dev_exchange { /* one request on its way */
    struct pd_list node;
    struct pd_http_req *req;
    struct pd_fiber *fiber;
    unsigned generation; /* of the process it was sent to */
    bool answered;       /* the head of an answer has gone to the client */
    bool stream;         /* … of one without an end */
    bool culprit;        /* the process died of it */
};

struct dev_stamp { /* tells one version of the program from another */
    int64_t mtime_ns, size, inode;
};

struct dev {
    /* what it was started with */
    const char *dir;     /* the app's folder, absolute */
    pd_str share;        /* where dev.js is */
    const char *url;     /* for the terminal */
    bool open;           /* … and for the browser, once */
    bool trusts;         /* TRUSTED_PROXIES is set: what clients say of who is behind them counts */
    const char *trusted; /* what the program gets as TRUSTED_PROXIES */

    /* what it owns */
    struct pd_http_server *server;
    struct pd_http_client *client;
    struct dev_watch *watch;
    pd_os_sock inner; /* the program's listening socket */
    uint16_t inner_port;
    char notify[64];
    struct pd_io told; /* where the program says READY=1 */
    struct dev_process builder, app;
    struct pd_fiber *main;
    struct pd_cond changed; /* anything of what follows */
    struct pd_list exchanges;
    unsigned held; /* requests that wait */

    /* files and builds */
    bool saved, building, stop;
    bool restart;         /* a setting was saved: the program starts anew, changed or not */
    bool look_again;      /* the Makefile was saved: the program may lie elsewhere */
    pd_mono saved_at;     /* the first save that no build has looked at */
    char saved_path[256]; /* the last one, for the terminal */
    unsigned passed_over; /* builds in a row that were out of date when they were done */
    unsigned attempt;     /* counts builds */
    unsigned good;        /* the build whose program runs */
    char boot[24];        /* tells builds of this supervisor from those of another */
    unsigned events;      /* counts changes that pages want to know of */
    enum dev_trouble trouble;
    struct dev_problems *problems; /* of the last build; in build_arena; NULL: none yet */
    struct pd_arena build_arena;

    /* the program */
    enum dev_state state;
    char *program; /* its path; NULL: not known yet */
    struct dev_stamp stamp;
    unsigned generation;     /* counts processes */
    unsigned buried;         /* the last generation whose end has been looked into */
    bool said_ready;         /* this one has */
    bool stopping;           /* it was asked to end */
    pd_mono ready_at;        /* 0: it never was */
    unsigned quick_deaths;   /* in a row */
    struct dev_crash *crash; /* the last one; in crash_arena; NULL: none */
    struct pd_arena crash_arena;
};

/* Runs until it is asked to stop, on a loop of its own. Takes `listener`, the public socket, over.
 * The exit code. */
int dev_supervise(struct dev *d, pd_os_sock listener);
/* Waits until the program may be asked. PD_EUNAVAIL: there is none, see d->trouble; PD_ETIME: not
 * in time; PD_EOVERLOAD: too many wait. */
pd_err dev_admit(struct dev *d) PD_MUST PD_YIELDS;
/* Waits until the end of that process has been looked into; false if it lives on. */
bool dev_await_end(struct dev *d, unsigned generation) PD_YIELDS;
void dev_changed(struct dev *d);                    /* wakes whoever waits for a change */
void dev_news(struct dev *d);                       /* … and tells the pages */
void dev_say(const char *fmt, ...) PD_PRINTF(1, 2); /* one line, "pando: " in front */

/* program.c: on the main fiber only. */
bool dev_program_died(const struct dev *d); /* without having been asked, and not yet looked into */
void dev_program_bury(struct dev *d) PD_YIELDS;
bool dev_program_changed(const struct dev *d);   /* its file is not the one that was started */
bool dev_program_start(struct dev *d) PD_YIELDS; /* true: ready */
void dev_program_replace(struct dev *d) PD_YIELDS;
void dev_program_stop(struct dev *d, int64_t patience_us) PD_YIELDS;
int64_t dev_program_backoff(const struct dev *d); /* µs before it is started again */

/* --- the proxy -------------------------------------------------------------------------------- */

void dev_handle(struct pd_http_req *r, void *arg) PD_YIELDS; /* proxy.c; arg: the struct dev */

struct dev_inject { /* puts a tag before </body>, fed with any split of the page */
    pd_str tag;
    char held[8];
    unsigned nheld;
    bool done;
};
/* Appends to out what can be sent on now; `last`: there is no more. */
void dev_inject_feed(struct dev_inject *in, pd_str piece, bool last, struct pd_buf *out);
/* Whether this answer is a page that a person looks at and whose policy lets our script run. */
bool dev_inject_wanted(const struct pd_http_req *r, const struct pd_http_reply_head *head);
/* `report`: NULL, or what kind of page of our own it stands in. */
pd_str dev_script_tag(const struct dev *d, const struct pd_http_req *r, const char *report);

/* Our own: pages (page.c), the script's files and what it is told (events.c). */
bool dev_wants_html(const struct pd_http_req *r);
/* Why there is no program: the build's errors, or how it ended when it was started. */
void dev_page_trouble(struct dev *d, struct pd_http_req *r);
void dev_page_crash(struct dev *d, struct pd_http_req *r);
/* One that has a single reason. */
void dev_page_plain(struct dev *d, struct pd_http_req *r, int status, pd_str detail);
/* As a JSON list; NULL is an empty one. */
void dev_put_problems(struct pd_buf *b, const struct dev_problems *p);
bool dev_is_own(const struct pd_http_req *r);
void dev_serve_own(struct dev *d, struct pd_http_req *r) PD_YIELDS;
#endif
