/* database.h - an instance's database: opened, with its schema looked after, or waited for.
 *
 * A server that is not there yet is no failure of a program that starts (PD_OPEN_PATIENT): it may
 * be started after it, or be restarted at the time. Nor is a schema that another program is about
 * to migrate. What the server refuses is one: whoever wrote the settings learns it at once.
 */
#ifndef PD_APP_DATABASE_H
#define PD_APP_DATABASE_H

#include "app/serve.h"
#include <stdatomic.h>

struct pd_app_db {
    const struct pd_app *app;
    const struct pd_config *config;
    enum pd_open_mode mode;
    struct pd_db *db;                 /* NULL: no module has tables */
    const struct pd_sql_module **sql; /* the modules' */
    unsigned nsql;
    unsigned told; /* errors that the log knows, a bit each */
    _Atomic(const char *) missing;
};

/* The rest of what the caller has begun: app, config, mode. Memory is the arena's. Also after a
 * failure `db` is the caller's to close. */
pd_err pd_app_db_open(struct pd_app_db *d, struct pd_arena *a) PD_MUST PD_YIELDS;
/* As pd_instance_settle. */
pd_err pd_app_db_settle(struct pd_app_db *d) PD_MUST PD_YIELDS;
/* As pd_instance_attend. */
pd_err pd_app_db_attend(struct pd_app_db *d) PD_MUST PD_YIELDS;
/* What is waited for, in some words; NULL: nothing. Any thread. */
const char *pd_app_db_missing(const struct pd_app_db *d);
/* On each thread that serves, or is about to; does nothing while the database is waited for. */
void pd_app_db_warm_up(struct pd_app_db *d) PD_YIELDS;

#endif
