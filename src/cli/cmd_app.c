/* cmd_app.c - pando build, test, routes, migrate: what is done with an app from anywhere in it.
 *
 * The app's own Makefile builds (share/app.mk for most), and its program is its own tool; these
 * commands only find both, so that they work the same in every app.
 */
#include "check/check.h"
#include "cli/app.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static int find(struct cli_args *args, struct cli_app *app)
{
    pd_err e = cli_app_find(args->arena, app);
    return e == PD_OK ? CLI_OK : cli_complain(args->command, e);
}

/* make's own exit code says only that something failed. */
static int make(const struct cli_app *app, const char *target, const char *setting)
{
    int code = cli_call(app->dir, (const char *[]){ "make", "-s", target, setting, NULL });
    return code == 2 ? CLI_WRONG : code;
}

static int run_build(struct cli_args *args)
{
    struct cli_app app;
    int code = find(args, &app);
    if (code != CLI_OK)
        return code;
    const char *mode = cli_option(args, "--release") ? "MODE=release" : NULL;
    pd_str path;
    code =
        cli_call(app.dir, (const char *[]){ "make", "--no-print-directory", "build", mode, NULL });
    if (code != 0)
        return code == 2 ? CLI_WRONG : code;
    pd_err e = cli_capture(args->arena, app.dir,
                           (const char *[]){ "make", "-s", "program", mode, NULL }, &path, &code);
    if (e != PD_OK)
        return cli_complain(args->command, e);
    printf("%.*s\n", PD_ARG(pd_str_trim(path)));
    return code;
}

static int run_test(struct cli_args *args)
{
    struct cli_app app;
    int code = find(args, &app);
    if (code != CLI_OK)
        return code;
    const char *only = args->nwords ? pd_str_fmt(args->arena, "ONLY=%s", args->words[0]).ptr : NULL;
    code = cli_call(app.dir,
                    (const char *[]){ "make", "--no-print-directory", "-k", "test", only, NULL });
    return code == 2 ? CLI_WRONG : code;
}

/* Builds the program and runs one of its commands in the app's folder; `argument` may be NULL. */
static int run_program(struct cli_args *args, const char *command, const char *argument)
{
    struct cli_app app;
    pd_str path;
    int code = find(args, &app);
    if (code == CLI_OK)
        code = make(&app, "build", NULL);
    if (code != CLI_OK)
        return code;
    pd_err e = cli_capture(args->arena, app.dir, (const char *[]){ "make", "-s", "program", NULL },
                           &path, &code);
    if (e != PD_OK)
        return cli_complain(args->command, e);
    const char *program = pd_str_cstr(args->arena, pd_str_trim(path));
    return cli_call(app.dir, (const char *[]){ program, command, argument, NULL });
}

static void say_unlisted(void *arg, const struct check_unlisted *u)
{
    const struct cli_app *app = arg;
    pd_str file = pd_str_sub(u->file, app->dir.len + 1, u->file.len);
    fprintf(stderr, "%.*s:%d: warning %s: %.*s\n  remedy: %.*s\n", PD_ARG(file), u->line, u->code,
            PD_ARG(u->message), PD_ARG(u->remedy));
}

/* Who misses a route here looks for the module that has it. */
static int run_routes(struct cli_args *args)
{
    int code = run_program(args, "routes", NULL);
    struct cli_app app;
    struct check k;
    if (code != CLI_OK || cli_app_find(args->arena, &app) != PD_OK)
        return code;
    check_init(&k, &(struct check_opts){ .app = app.dir });
    if (check_modules_scan(&k) == PD_OK)
        check_unlisted(&k, say_unlisted, &app);
    check_fini(&k);
    return code;
}

static int run_migrate(struct cli_args *args)
{
    return run_program(args, "migrate", NULL);
}

/* A path is meant from here, but the program runs in the app's folder. */
static const char *from_here(struct pd_arena *a, const char *url)
{
    const char *path = url + strlen("sqlite:");
    if (strncmp(url, "sqlite:", strlen("sqlite:")) != 0 || path[0] == '/')
        return url;
    char *here = realpath(".", NULL);
    pd_str whole = pd_str_fmt(a, "sqlite:%s/%s", here ? here : ".", path);
    free(here);
    return whole.ptr;
}

static int run_db(struct cli_args *args)
{
    if (strcmp(args->words[0], "move") != 0)
        return cli_usage_error(args->command, "there is no \"%s\": it is move", args->words[0]);
    if (args->nwords != 2)
        return cli_usage_error(args->command, "say which database: pando db move sqlite:PATH");
    return run_program(args, "move", from_here(args->arena, args->words[1]));
}

const struct cli_command cmd_build = {
    .name = "build",
    .usage = "[--release]",
    .doc = "build the app and print where its program is",
    .group = CLI_WORK,
    .options =
        (const struct cli_opt[]){ { "--release", NULL, "optimised, for production" }, { 0 } },
    .help = "  pando build                 build/shop, for development\n"
            "  pando build --release       build/release/shop\n"
            "  make V=1                    the same by hand, with the compiler's commands\n",
    .run = run_build,
};

const struct cli_command cmd_test = {
    .name = "test",
    .usage = "[NAME]",
    .doc = "run the app's tests, with AddressSanitizer and UBSan",
    .group = CLI_WORK,
    .max_words = 1,
    .help =
        "  pando test                  all of tests/*_test.c\n"
        "  pando test notes            tests/notes_test.c\n"
        "  build/asan/notes_test owner                 its tests with \"owner\" in their names\n"
        "  gdb --args build/asan/notes_test --here owner      one of them in a debugger\n",
    .run = run_test,
};

const struct cli_command cmd_routes = {
    .name = "routes",
    .usage = "",
    .doc = "list what answers where, and who may ask",
    .group = CLI_LOOK,
    .help = "  pando routes                method, path, module, who, what for\n"
            "  pando routes | grep notes\n",
    .run = run_routes,
};

const struct cli_command cmd_migrate = {
    .name = "migrate",
    .usage = "",
    .doc = "bring the app's database up to date",
    .group = CLI_WORK,
    .help = "In development and in tests the app does this itself when it starts.\n"
            "\n"
            "  pando migrate\n"
            "  DATABASE_URL=sqlite:/srv/shop.db pando migrate\n",
    .run = run_migrate,
};

const struct cli_command cmd_db = {
    .name = "db",
    .usage = "move sqlite:PATH",
    .doc = "copy the app's SQLite database into PostgreSQL",
    .group = CLI_WORK,
    .min_words = 1,
    .max_words = 2,
    .words = "move",
    .help =
        "The target is what DATABASE_URL names: an empty database. Stop the app first. Rows are\n"
        "counted and compared; whatever goes wrong, the target is as empty as before.\n"
        "\n"
        "  createdb shop\n"
        "  DATABASE_URL=postgres:///shop pando db move sqlite:var/shop.db\n"
        "  shop move sqlite:var/shop.db        the same where there is only the program\n",
    .run = run_db,
};
