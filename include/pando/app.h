/* app.h - an application: modules put together, and the program around them.
 *
 *     int main(int argc, char **argv) { return pd_app_main(&finflow, argc, argv); }
 *
 * The program is its own tool: serve, migrate, routes, version, and the commands of its modules.
 * Settings come from the environment, then from pando.conf; an unknown or malformed one stops the
 * start with one line that names it.
 */
#ifndef PANDO_APP_H
#define PANDO_APP_H

#include <pando/web.h>

struct pd_module {
    const char *name;                /* also the prefix of its tables */
    const struct pd_sql_module *sql; /* NULL: no database */
    const struct pd_route *routes;
    unsigned nroutes;
    const struct pd_command *commands; /* `finflow seed …` */
    unsigned ncommands;
};

/* A subcommand of the program. Runs in a fiber with a context on the (migrated) database. If the
 * context has failed when it returns, the reason is printed and the exit code is never 0. */
struct pd_command {
    const char *name;
    const char *usage; /* "--account ID FILE.csv" */
    const char *doc;   /* one line */
    int (*run)(struct pd_ctx *c, int argc,
               char **argv) PD_YIELDS; /* exit code; argv[0] is the command's name */
};

struct pd_setting { /* of the app; the platform has its own */
    const char *name, *default_value, *doc;
    enum {
        PD_SETTING_TEXT,
        PD_SETTING_INT,
        PD_SETTING_BOOL,
        PD_SETTING_SIZE,
        PD_SETTING_SECONDS
    } kind;
    int64_t min, max;
    bool secret; /* never printed */
};

struct pd_app {
    const char *name, *version;
    const struct pd_module *const *modules;
    unsigned nmodules;
    const struct pd_setting *settings;
    unsigned nsettings;
    /* Decides who asks. Called for every request with a valid session cookie before the handler;
     * sets c->user_id, c->org_id, c->role, or leaves them 0 if the session no longer counts. */
    void (*authenticate)(struct pd_ctx *c, const struct pd_session_data *s) PD_YIELDS;
    /* The page for an error, for browsers; NULL: a plain one. `detail` is safe to show. */
    pd_status (*error_page)(struct pd_ctx *c, int status, pd_str title, pd_str detail) PD_YIELDS;
    const char *api_prefix;        /* "/api/": errors under it are problem+json */
    const char *sign_in_path;      /* where PD_AUTH_USER sends browsers: "/login" */
    const struct pd_asset *assets; /* embedded by the build */
    unsigned nassets;
};

/* Runs the program: reads its settings, does what argv says, returns its exit code. */
int pd_app_main(const struct pd_app *app, int argc, char **argv);

/* Value of a setting, platform's or app's. Asking for an undeclared one panics. */
pd_str pd_setting(const char *name);
int64_t pd_setting_int(const char *name);
bool pd_is_production(void);
bool pd_is_development(void);

#endif
