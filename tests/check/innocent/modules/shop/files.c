/* files.c - files where they hold nobody: in a command, in the pool; and names that look like them. */
#include "shop/inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct job {
    const char *path;
    char *text;
};

struct source {
    int (*read)(int n);
    int poll, connect;
};

static int read_number(int n)
{
    return n + 1;
}

/* Runs in the pool. */
static void read_blocking(void *arg)
{
    struct job *j = arg;
    FILE *f = fopen(j->path, "r");
    if (f && fgets(j->text, 64, f))
        fclose(f);
}

static const char *tell(int code)
{
    return code ? strerror(errno) : "fine";
}

static pd_status show(struct pd_ctx *c)
{
    struct source s = { .read = read_number, .poll = 3 };
    struct job j = { "/etc/hosts", pd_arena_alloc(c->arena, 64) };
    int select = s.read(s.poll), sleep = s.connect;
    pd_log_info("call sleep(1)", "why", tell(select + sleep));
    if (pd_offload(read_blocking, &j) != PD_OK || pd_sleep(1) != PD_OK)
        return pd_not_found(c);
    char list[] = "a,b", *at = NULL;
    struct tm now;
    time_t t = 0;
    localtime_r(&t, &now);
    umask(022); /* state ok: to show how one says so */
    strtok_r(list, ",", &at);
    usleep(1); /* blocking ok: a microsecond, to show how one says so */
    return shop_total(c, 3) ? pd_no_content(c) : pd_not_found(c);
}

static void print(const char *text)
{
    setenv("TZ", "UTC", 1); /* a command has the process to itself */
    printf("%s\n", text);
    sleep(1);
}

int shop_export(struct pd_ctx *c, int argc, char **argv)
{
    FILE *f = argc > 1 ? fopen(argv[1], "w") : NULL;
    (void)c;
    if (!f)
        return 1;
    fprintf(f, "x\n");
    print(argv[0]);
    return fclose(f);
}

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/shop", show, .auth = PD_AUTH_USER },
};
static const struct pd_command COMMANDS[] = {
    { "export", "FILE", "Write a file", shop_export },
};
const struct pd_module shop_module = {
    .name = "shop", .sql = &shop_sql, .routes = ROUTES, .nroutes = 1,
    .commands = COMMANDS, .ncommands = 1,
};
