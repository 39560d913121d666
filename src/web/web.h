/* web.h - what the files of this layer share. Private to it.
 *
 * A struct pd_request lives on the stack of pd_web_handle for the time of one request and hangs on
 * its context (c->request). The first half says what was asked, the second what will be answered:
 * reply functions only fill it in; dispatch.c sends it after the commit.
 */
#ifndef PD_WEB_PRIVATE_H
#define PD_WEB_PRIVATE_H

#include "web/assets.h"
#include "web/dispatch.h"
#include "web/proxies.h"
#include "web/router.h"
#include "web/seal.h"
#include <pthread.h>

enum {
    PD_BODY_MAX = 1 << 20,        /* of a route without max_body */
    PD_REPLY_MAX = 32 << 20,      /* bytes of a reply's body */
    PD_REPLY_HEAD_MAX = 48 << 10, /* bytes of its header lines */
    PD_REQUEST_ID_TEXT = 16,
    PD_THREADS_MAX = 256,
};

struct pd_route_counters { /* one thread's */
    struct pd_counter by_class[6], statements;
    struct pd_hist latency_us;
    int32_t alone; /* of its last requests, how many in 256 took a connection for themselves; for
                      the thread itself */
};
struct pd_pairs;
struct pd_web_thread {
    struct pd_web *web;
    uint64_t id_base; /* drawn at random: request ids of this thread */
    uint64_t requests;
    pd_time clock_until; /* for the second before this, `clock` is right */
    char clock[PD_TIME_TEXT];
    struct pd_route_counters routes[]; /* nroutes, then one for what matched none */
};

struct pd_web {
    struct pd_web_opts opts;
    struct pd_arena arena;
    struct pd_router *router;
    uint32_t nroutes;
    const struct pd_route **routes; /* by index */
    const char **modules;
    struct pd_keys keys;
    struct pd_sealer session, flash, floor;
    struct pd_proxies proxies;
    struct pd_assets assets;
    pd_str api_prefix;                                                /* null: none */
    pd_str session_cookie, flash_cookie, floor_cookie;                /* without prefix */
    pd_str host_session_cookie, host_flash_cookie, host_floor_cookie; /* with it */
    pd_str page_lines, asset_lines, other_lines;    /* constant header lines of each */
    struct pd_http_refusal busy_page, busy_problem; /* for who is turned away */
    uint64_t serial;                                /* tells this pd_web from one freed before */
    pthread_mutex_t lock;                           /* guards the two below */
    struct pd_web_thread *threads[PD_THREADS_MAX];
    unsigned nthreads;
};

/* What becomes of the session cookie when the reply is sent. */
enum pd_session_action { PD_SESSION_KEEP, PD_SESSION_REFRESH, PD_SESSION_START, PD_SESSION_END };

struct pd_request {
    struct pd_http_req *http; /* NULL: the context of a command (pd_web_ctx_bind) */
    struct pd_web *web;
    struct pd_web_thread *thread;
    pd_str path; /* decoded */
    pd_str sent; /* the body, once pd_read_form or pd_read_json has read it */
    const struct pd_route_entry *entry;
    uint32_t counted; /* whose counters */
    bool secure;      /* cookies get __Host- and Secure */
    bool has_session; /* `session` is the one of who asks */
    bool again;       /* its handler has run before, to no effect */
    bool handled;     /* … or runs, or has run */
    uint8_t session_action;

    /* the reply */
    int status;          /* of the last reply function; 0 = none yet */
    pd_str content_type; /* null: no Content-Type line */
    pd_str location;     /* null: no Location line */
    pd_str body;
    bool is_page;           /* text/html: gets the page's policy */
    const char *problem;    /* code of the problem to be answered; NULL = none */
    struct pd_debug *debug; /* what is shown of a failure in development; NULL elsewhere */
    pd_str detail;
    pd_str cache_control; /* null: the default */
    pd_str fixed_lines;   /* instead of other_lines, for assets; null = other_lines */
    struct pd_buf lines;  /* header lines of the handler's; arena NULL = none yet */
    bool sets_cookie;     /* one of them, other than the session's */

    /* what pd_read_… found */
    int read_status; /* 0 = fine; else what pd_invalid answers */
    pd_str read_detail;
    struct pd_field_errors *errors; /* NULL = none yet */
    const struct pd_pairs *form;    /* of the last pd_read_form; NULL = none */
    pd_str whole_body;              /* null: not read yet */
    pd_str flash_kind;

    /* Not cleared at the start: each is filled before it is read. */
    char id[PD_REQUEST_ID_TEXT];
    struct pd_session_data session;
    struct pd_buf html;
    struct pd_match match;
    struct pd_buf log; /* these two in development only: see debug.h */
    struct pd_request *next_open;
};

/* The request of a context; panics (naming `what`) if there is none. */
struct pd_request *pd_request_of(struct pd_ctx *c, const char *what);
/* The pd_web a context is bound to; panics if it is bound to none. */
struct pd_web *pd_web_of(struct pd_ctx *c, const char *what);
/* The calling thread's counters in w; made on first use. */
struct pd_web_thread *pd_web_thread_self(struct pd_web *w);

/* request.c */
void pd_request_secure(struct pd_request *q); /* fills q->secure */
bool pd_request_is_api(const struct pd_request *q);

/* form.c: drops what pd_read_… and pd_field_error have kept. */
void pd_errors_reset(struct pd_request *q);

/* session.c */
void pd_session_read(struct pd_ctx *c); /* opens the cookie */
void pd_session_refresh(struct pd_ctx *c);
void pd_session_send(struct pd_ctx *c); /* the cookie into the reply, as session_action says */
/* Where the request reads, if the database has replicas: a GET or HEAD on those that have what its
 * sender has written and seen, which the cookie says; every other one on the primary. And the
 * cookie for the next, if this one has written, or has seen what the primary has. */
void pd_floor_read(struct pd_ctx *c);
void pd_floor_send(struct pd_ctx *c);

/* admit.c: makes what is answered to those; behind pd_header_lines_make. */
void pd_admit_init(struct pd_web *w);
/* What is supposed of routes that this thread has not served yet. */
void pd_admit_thread_init(struct pd_web_thread *t);
/* Before what a handler's context knows is thrown away: what its route takes. */
void pd_admit_learn(const struct pd_ctx *c);

/* dispatch.c: as which one it is looked up; 0: no route can have it. */
enum pd_route_method pd_route_method_of(enum pd_method m);

/* headers.c */
void pd_header_lines_make(struct pd_web *w);
/* A value that cannot be a header's: panics in development, is logged elsewhere. */
void pd_header_refused(struct pd_ctx *c, const char *name);
/* Where the handler's header lines go. */
struct pd_buf *pd_reply_lines(struct pd_ctx *c);

/* reply.c */
pd_status pd_reply_set(struct pd_ctx *c, int status, pd_str content_type, pd_str body);
/* problem.c: turns the problem kept in the request into the body of its reply. */
void pd_problem_render(struct pd_ctx *c) PD_YIELDS;
/* Code word and Retry-After of an error; see problem.c. */
void pd_problem_of_error(struct pd_ctx *c, pd_err e, bool committed);
/* "not_found" for 404, … */
const char *pd_problem_code(int status);

/* curl.c: "curl -i 'http://…' …", into memory of fixed size; development only. */
void pd_curl_put(struct pd_buf *b, const struct pd_request *q);

/* assets.c */
extern const struct pd_route pd_asset_route;

/* account.c: counters and access log. */
void pd_account(struct pd_request *q, unsigned statements);
void pd_account_refused(struct pd_web *w, const struct pd_http_req *r);
void pd_request_id_make(struct pd_request *q);

#endif
