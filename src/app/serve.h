/* serve.h - an application in operation: opened once per process, attached to each loop thread.
 *
 *     struct pd_instance *in;
 *     PD_TRY(pd_instance_open(app, cfg, PD_OPEN_SERVE, &in));   // database, migrations, routes,
 * keys PD_TRY(pd_instance_attach(in, listener));                  // on each loop thread …
 *     pd_instance_drain(in);                                     // on each loop thread, then
 *     pd_instance_close(in);                                     // once
 *
 * Nothing of an instance is needed by another process. All functions run in a fiber.
 */
#ifndef PD_SERVE_H
#define PD_SERVE_H

#include "app/config.h"
#include "data/data.h"
#include "http/http.h"
#include "web/dispatch.h"

enum pd_open_mode {
    PD_OPEN_SERVE,   /* migrates in development and test; in production the schema must be there */
    PD_OPEN_PATIENT, /* the same, but what may come later is no failure: see pd_instance_settle */
    PD_OPEN_COMMAND, /* as SERVE, for a command of a module */
    PD_OPEN_MIGRATE, /* leaves the schema to the caller */
};

struct pd_instance;

/* `cfg` stays the caller's and must outlive the instance. */
pd_err pd_instance_open(const struct pd_app *app, struct pd_config *cfg, enum pd_open_mode mode,
                        struct pd_instance **out) PD_MUST PD_YIELDS;
void pd_instance_close(struct pd_instance *in) PD_YIELDS;
/* PD_OPEN_PATIENT: waits until the database is there and its schema is right. Until then the
 * instance is attached and answers, but what needs the database fails. What cannot come any more
 * (the server refuses the user; nobody has applied a migration within MIGRATION_WAIT_SECONDS) is
 * the error that opening would have ended with. The log is told once. In the attached loop that
 * opened the instance; it may be canceled. */
pd_err pd_instance_settle(struct pd_instance *in) PD_MUST PD_YIELDS;

/* Once it is settled, in the same loop: keeps it known to the database's server. Returns when
 * canceled, at once if there is nothing to do, or with PD_EUNSUPPORTED if the program has become
 * too old for its schema and must end (pd_db_attend). */
pd_err pd_instance_attend(struct pd_instance *in) PD_MUST PD_YIELDS;

/* Opens the first connections of this loop's thread to the database, if it is settled; an attach
 * does so before it answers, so that it is wanted only on threads that were attached before. */
void pd_instance_warm_up(struct pd_instance *in) PD_YIELDS;
/* Starts answering on this loop; takes over the listening socket, also on failure. */
pd_err pd_instance_attach(struct pd_instance *in, pd_os_sock listener) PD_MUST;
/* Whether the listeners of the following attaches are handed to the next process too: a drain then
 * leaves what waits in their queue to it. Default: no. */
void pd_instance_share_listeners(struct pd_instance *in, bool shared);
/* Stops accepting on this loop and waits for requests in flight, at most DRAIN_SECONDS; then they
 * are canceled. False: a second later there are some that have not ended (work on the offload pool
 * cannot be taken back). Nothing that they may use can be freed: end the process. */
bool pd_instance_drain(struct pd_instance *in) PD_MUST PD_YIELDS;

/* What the app's modules have in the database: at most app->nmodules entries. */
unsigned pd_app_sql(const struct pd_app *app, const struct pd_sql_module **out);

struct pd_db *pd_instance_db(struct pd_instance *in);
struct pd_web *pd_instance_web(struct pd_instance *in);
const struct pd_app *pd_instance_app(struct pd_instance *in);

/* Why it is not ready, in some words; NULL if it is: open, settled, attached, and not draining. For
 * /readyz. Any thread. */
const char *pd_instance_unready(const struct pd_instance *in);
/* The process's instance, for the platform's own routes; NULL before open. */
struct pd_instance *pd_instance_current(void);

/* The server of each attached loop thread, for metrics: calls fn for each. */
void pd_instance_each_server(struct pd_instance *in,
                             void (*fn)(void *arg, struct pd_http_server *s, struct pd_loop *l),
                             void *arg);

/* The whole of `serve`: loops, listeners, signals, drain. Returns the exit code. */
int pd_serve(const struct pd_app *app, struct pd_config *cfg);

/* The platform's own routes (health.c, metrics.c). */
extern const struct pd_route pd_platform_routes[];
extern const unsigned pd_nplatform_routes;
pd_status pd_metrics_handler(struct pd_ctx *c) PD_YIELDS;
/* In production with METRICS_TOKEN only. */
bool pd_metrics_may_see(struct pd_ctx *c);
/* Measures for some seconds and says where the requests' time went. (load.c) */
pd_status pd_bottleneck_handler(struct pd_ctx *c) PD_YIELDS;

/* The whole of `move`: copies the SQLite database `from` ("sqlite:PATH") into the one that
 * DATABASE_URL names, and says on standard output how far it is and what came of it. (move.c) */
pd_err pd_app_move(const struct pd_app *app, const struct pd_config *cfg,
                   const char *from) PD_MUST PD_YIELDS;

/* The whole of `status`: prints what the server with these settings says. (status.c) */
pd_err pd_app_status(const struct pd_config *cfg) PD_MUST PD_YIELDS;

/* Says what stopped the program: one line "finflow: message; hint" on standard error. Returns the
 * exit code that belongs to it. */
int pd_complain(const struct pd_app *app, pd_err e);

#endif
