/* program.c - the program as its own tool: serve, migrate, routes, check, version, and what the
 * modules add.
 *
 * A command is a row in a table. All of them end with an exit code of sysexits.h and, when
 * something is wrong, exactly one line on standard error.
 */
#include "app/serve.h"
#include "base/fault.h"
#include "base/near.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program {
    const struct pd_app *app;
    struct pd_config *config;
    int argc; /* of the command: argv[0] is its name */
    char **argv;
    const struct pd_command *command; /* a module's */
    int exit_code;
};

struct builtin {
    const char *name, *usage, *doc;
    int (*run)(struct program *p);
    int nargs;          /* all of them needed */
    const char *option; /* or this one alone; NULL: there is none */
};

/* --- saying what is wrong
 * ---------------------------------------------------------------------------- */

int pd_complain(const struct pd_app *app, pd_err e)
{
    char text[2 * PD_DIAG_TEXT];
    pd_diag_format(pd_diag(), text, sizeof text);
    for (char *at = text; *at; at++) /* one line, whatever is in it */
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    fprintf(stderr, "%s: %s [PD-RUN-%s]\n", app->name, text[0] ? text : pd_err_text(e),
            pd_err_name(e));
    return pd_err_exit(e);
}

static void start_log(const struct pd_config *cfg, bool command)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    struct pd_log_opts opts = { .fd = 2,
                                .json = pd_config_is(cfg, "LOG_FORMAT", "json"),
                                .sync = command };
    for (unsigned i = 0; i < 4; i++)
        if (pd_config_is(cfg, "LOG_LEVEL", levels[i]))
            opts.level = (enum pd_log_level)i;
    if (command && opts.level < PD_LOG_WARN)
        opts.level = PD_LOG_WARN; /* a command's output is its own */
    pd_log_start(&opts);
}

/* --- commands of the platform
 * -------------------------------------------------------------------------- */

static int check_arguments(struct program *p, const struct builtin *b)
{
    if (p->argc - 1 == b->nargs || (b->option && p->argc == 2 && !strcmp(p->argv[1], b->option)))
        return 0;
    if (b->nargs)
        return pd_complain(p->app,
                           pd_hint(pd_fail(PD_EINVAL, "%s takes %d argument%s, but got %d", b->name,
                                           b->nargs, b->nargs == 1 ? "" : "s", p->argc - 1),
                                   "write: %s %s %s", p->app->name, b->name, b->usage));
    if (b->option)
        return pd_complain(p->app, pd_hint(pd_fail(PD_EINVAL, "%s takes %s, but got %s", b->name,
                                                   b->option, p->argv[p->argc > 2 ? 2 : 1]),
                                           "write: %s %s %s", p->app->name, b->name, b->usage));
    return pd_complain(
        p->app,
        pd_hint(pd_fail(PD_EINVAL, "%s takes no arguments, but got %s", p->argv[0], p->argv[1]),
                "settings go in front: PORT=9000 %s %s", p->app->name, p->argv[0]));
}

static int run_serve(struct program *p)
{
    start_log(p->config, false);
    int code = pd_serve(p->app, p->config);
    pd_log_stop();
    return code;
}

static void say_migrated(void *arg, const char *module, const char *name)
{
    (void)arg;
    printf("%s/%s\n", module, name);
}

static void say_waiting(void *arg)
{
    (void)arg;
    printf("waiting: another program is migrating the database\n");
}

static void say_older(void *arg, const char *who)
{
    (void)arg;
    printf("waiting: %s\n", who);
}

/* Who has been told to stop has stopped then. */
static int64_t patience(const struct pd_config *cfg)
{
    int64_t drain = pd_config_int(cfg, "DRAIN_SECONDS");
    int64_t wait = pd_config_int(cfg, "MIGRATION_WAIT_SECONDS");
    return (drain > wait ? drain : wait) * PD_SECOND;
}

static pd_err migrate(void *arg)
{
    struct program *p = arg;
    bool leave = p->argc > 1;
    struct pd_instance *in;
    PD_TRY(pd_instance_open(p->app, p->config, PD_OPEN_MIGRATE, &in));
    const struct pd_sql_module **modules = calloc(p->app->nmodules + 1, sizeof *modules);
    if (!modules)
        pd_panic("out of memory");
    unsigned n = pd_app_sql(p->app, modules);
    struct pd_migrate_report report = { .older_us = leave ? 0 : patience(p->config),
                                        .leave = leave,
                                        .each = say_migrated,
                                        .waiting = say_waiting,
                                        .older = leave ? NULL : say_older };
    pd_err e = n ? pd_db_migrate(pd_instance_db(in), modules, n, &report) : PD_OK;
    if (e == PD_OK && report.left)
        printf("%u applied, %u were there already, %u left for when older programs are gone\n",
               report.applied, report.present, report.left);
    else if (e == PD_OK)
        printf("%u applied, %u were there already\n", report.applied, report.present);
    else
        p->exit_code = pd_complain(p->app, e);
    free(modules);
    pd_instance_close(in);
    return e;
}

/* Runs fn in a fiber on a loop of its own; its failure has been complained about, or is now. */
static int on_loop(struct program *p, pd_err (*fn)(void *arg))
{
    start_log(p->config, true);
    pd_err e = pd_loop_main(&(struct pd_loop_opts){ .name = "command", .stall_us = -1 }, fn, p);
    if (e != PD_OK && p->exit_code == 0)
        p->exit_code = pd_complain(p->app, e);
    pd_log_stop();
    return p->exit_code;
}

static int run_migrate(struct program *p)
{
    return on_loop(p, migrate);
}

static pd_err move(void *arg)
{
    struct program *p = arg;
    return pd_app_move(p->app, p->config, p->argv[1]);
}

static int run_move(struct program *p)
{
    return on_loop(p, move);
}

static pd_err status(void *arg)
{
    struct program *p = arg;
    return pd_app_status(p->config);
}

static int run_status(struct program *p)
{
    return on_loop(p, status);
}

static const char *method_name(enum pd_route_method m)
{
    static const char *const names[] = { "", "GET", "POST", "PUT", "PATCH", "DELETE" };
    return names[m];
}

static void print_routes(const char *module, const struct pd_route *routes, unsigned n)
{
    static const char *const who[] = { "", "user", "writer", "admin" };
    for (unsigned i = 0; i < n; i++)
        printf("%-7s %-44s %-10s %-7s %s\n", method_name(routes[i].method), routes[i].pattern,
               module, who[routes[i].auth], routes[i].doc ? routes[i].doc : "");
}

static int run_routes(struct program *p)
{
    for (unsigned i = 0; i < p->app->nmodules; i++)
        print_routes(p->app->modules[i]->name, p->app->modules[i]->routes,
                     p->app->modules[i]->nroutes);
    print_routes("pando", pd_platform_routes, pd_nplatform_routes);
    return 0;
}

static int run_version(struct program *p)
{
    printf("%s %s\n", p->app->name, p->app->version);
    return 0;
}

static const struct builtin builtins[] = {
    { "serve", "", "answer requests until SIGTERM or SIGINT", run_serve, 0 },
    { "migrate", "[--leave]",
      "bring the database's schema up to date; --leave: but for what older programs use",
      run_migrate, 0, "--leave" },
    { "move", "sqlite:PATH", "copy a SQLite database into the empty one of DATABASE_URL", run_move,
      1 },
    { "routes", "", "list the routes, their modules and who may use them", run_routes, 0 },
    { "status", "", "ask the running server where its requests' time goes (takes 5 s)", run_status,
      0 },
    { "version", "", "print the version", run_version, 0 },
};
enum { NBUILTINS = sizeof builtins / sizeof builtins[0], COMMANDS_COMPARED = 100 };

/* --- commands of the modules
 * ------------------------------------------------------------------------------- */

static const struct pd_command *module_command(const struct pd_app *app, unsigned *at)
{
    unsigned skip = (*at)++;
    for (unsigned i = 0; i < app->nmodules; i++) {
        if (skip < app->modules[i]->ncommands)
            return &app->modules[i]->commands[skip];
        skip -= app->modules[i]->ncommands;
    }
    return NULL;
}

/* What no author has to say. A code of the command's own stays. */
static void complain_of(struct program *p, const struct pd_ctx *c)
{
    const struct pd_diag *why = pd_ctx_diag(c);
    if (why)
        (void)!pd_diag_restore(why);
    else if (pd_diag()->code != c->failed)
        (void)!pd_fail(c->failed, "%s", pd_err_text(c->failed));
    int code = pd_complain(p->app, c->failed);
    p->exit_code = p->exit_code ? p->exit_code : code;
}

/* A command's context has no deadline but the ones it sets itself. What it did not commit is
 * undone. */
static pd_err run_in_context(void *arg)
{
    struct program *p = arg;
    struct pd_instance *in;
    PD_TRY(pd_instance_open(p->app, p->config, PD_OPEN_COMMAND, &in));
    struct pd_arena arena;
    struct pd_ctx c;
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "command", .budget = 256 << 20 });
    pd_ctx_init(&c, pd_instance_db(in), &arena);
    pd_web_ctx_bind(pd_instance_web(in), &c);
    p->exit_code = p->command->run(&c, p->argc, p->argv);
    if (c.failed != PD_OK)
        complain_of(p, &c);
    pd_ctx_fini(&c);
    pd_arena_fini(&arena);
    pd_instance_close(in);
    return PD_OK;
}

/* --- help, dispatch
 * --------------------------------------------------------------------------------------------- */

static int help(const struct pd_app *app)
{
    printf("%s %s\n\nusage: %s COMMAND [ARGUMENTS]\n\n", app->name, app->version, app->name);
    for (unsigned i = 0; i < NBUILTINS; i++)
        printf("  %-10s %s\n", builtins[i].name, builtins[i].doc);
    unsigned at = 0;
    for (const struct pd_command *m; (m = module_command(app, &at));)
        printf("  %-10s %s\n", m->name, m->doc);
    printf("\nSettings (environment, then pando.conf):\n\n");
    for (unsigned i = 0; i < pd_nplatform_settings; i++)
        if (!(pd_platform_settings[i].flags & PD_SET_ABSENT))
            printf("  %-16s %s%s%s%s\n", pd_platform_settings[i].s.name,
                   pd_platform_settings[i].s.doc,
                   pd_platform_settings[i].s.default_value[0] ? " (" : "",
                   pd_platform_settings[i].s.default_value,
                   pd_platform_settings[i].s.default_value[0] ? ")" : "");
    for (unsigned i = 0; i < app->nsettings; i++)
        printf("  %-16s %s\n", app->settings[i].name, app->settings[i].doc);
    return 0;
}

static int help_of(const struct pd_app *app, const char *name, const char *usage, const char *doc)
{
    printf("usage: %s %s%s%s\n\n%s\n", app->name, name, usage && usage[0] ? " " : "",
           usage ? usage : "", doc);
    return 0;
}

static bool asks_help(int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

static int run_builtin(struct program *p, const struct builtin *b)
{
    if (asks_help(p->argc, p->argv))
        return help_of(p->app, b->name, b->usage, b->doc);
    int code = check_arguments(p, b);
    return code ? code : b->run(p);
}

static int run_command(struct program *p, const struct pd_command *m)
{
    if (asks_help(p->argc, p->argv))
        return help_of(p->app, m->name, m->usage, m->doc);
    p->command = m;
    return on_loop(p, run_in_context);
}

static int unknown(const struct pd_app *app, const char *name)
{
    pd_str names[COMMANDS_COMPARED];
    unsigned n = 0, at = 0;
    for (; n < NBUILTINS; n++)
        names[n] = pd_str_c(builtins[n].name);
    for (const struct pd_command *m; n < COMMANDS_COMPARED && (m = module_command(app, &at));)
        names[n++] = pd_str_c(m->name);
    pd_str near = pd_nearest(pd_str_c(name), names, n);
    pd_err e = pd_fail(PD_EINVAL, "there is no command %s", name);
    return pd_complain(app, near.len ? pd_hint(e, "did you mean %.*s?", PD_ARG(near))
                                     : pd_hint(e, "see %s --help", app->name));
}

static int dispatch(struct program *p)
{
    const char *name = p->argv[0];
    for (unsigned i = 0; i < NBUILTINS; i++)
        if (strcmp(name, builtins[i].name) == 0)
            return run_builtin(p, &builtins[i]);
    unsigned at = 0;
    for (const struct pd_command *m; (m = module_command(p->app, &at));)
        if (strcmp(name, m->name) == 0)
            return run_command(p, m);
    return unknown(p->app, name);
}

int pd_app_main(const struct pd_app *app, int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2 || asks_help(argc, argv) || strcmp(argv[1], "help") == 0)
        return help(app);
    struct program p = { .app = app, .argc = argc - 1, .argv = argv + 1 };
    pd_err e = pd_config_load(app, &p.config);
    if (e != PD_OK)
        return pd_complain(app, e);
    pd_config_use(p.config);
    pd_str faults = pd_config_get(p.config, "PANDO_FAULTS");
    if (faults.len)
        e = pd_fault_parse(faults);
    int code = e == PD_OK ? dispatch(&p) : pd_complain(app, pd_wrap(e, "reading PANDO_FAULTS"));
    pd_config_free(p.config);
    return code;
}
