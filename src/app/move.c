/* move.c - `move`: a SQLite database into PostgreSQL, as data/move.h does it, told to whoever
 * watches.
 *
 * On a terminal there is a bar; elsewhere a line when a step begins, and one every ten seconds in
 * it. Then a line for each table with what was equal in both, and one for all.
 */
#include "app/serve.h"
#include "data/move.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BAR = 24 };
#define LINE_US (10 * PD_SECOND)

struct watch {
    bool terminal;
    enum pd_move_step step;
    pd_mono began, step_began, told;
    bool any; /* something has been told */
};

/* 5000000 -> "5,000,000" */
static const char *grouped(uint64_t n, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), to = 0;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            out[to++] = ',';
        out[to++] = digits[i];
    }
    out[to] = '\0';
    return out;
}

static uint64_t per_second(uint64_t n, int64_t us)
{
    return us > 0 ? (uint64_t)((double)n * 1e6 / (double)us) : 0;
}

static const char *step_name(enum pd_move_step step)
{
    static const char *const names[] = { "copying", "rebuilding", "comparing", "committing" };
    return names[step];
}

static void tell_amount(const struct pd_move_progress *p, int64_t us)
{
    char done[32], of[32], rate[32];
    bool rows = p->step == PD_MOVE_COPY || p->step == PD_MOVE_COMPARE;
    printf("%s of %s%s", grouped(p->done, done), grouped(p->of, of), rows ? " rows" : "");
    if (rows && us > PD_SECOND / 2)
        printf(", %s/s", grouped(per_second(p->done, us), rate));
    if (p->what[0])
        printf("  %s", p->what);
}

static void draw(const struct pd_move_progress *p, int64_t us)
{
    char bar[BAR + 1];
    int full = p->of ? (int)(p->done * BAR / p->of) : 0;
    memset(bar, '-', BAR);
    memset(bar, '#', (size_t)(full > BAR ? BAR : full));
    bar[BAR] = '\0';
    printf("\r\033[K%-10s [%s] ", step_name(p->step), bar);
    if (p->of)
        tell_amount(p, us);
    fflush(stdout);
}

static void progress(void *arg, const struct pd_move_progress *p)
{
    struct watch *w = arg;
    pd_mono now = pd_mono_now();
    bool begins = !w->any || p->step != w->step;
    if (begins)
        w->step_began = w->told = now;
    w->any = true;
    w->step = p->step;
    if (w->terminal) {
        draw(p, now - w->step_began);
    } else if (begins || now - w->told >= LINE_US) {
        w->told = now;
        printf("%s ", step_name(p->step));
        if (p->of)
            tell_amount(p, now - w->step_began);
        putchar('\n');
    }
}

static void clear(const struct watch *w)
{
    if (w->terminal && w->any)
        fputs("\r\033[K", stdout);
}

static void table(void *arg, const struct pd_move_table *t)
{
    char rows[32];
    clear(arg);
    printf("%-32s %15s rows  checksum %016llx\n", t->name, grouped(t->rows, rows),
           (unsigned long long)t->checksum);
}

static pd_err run(const struct pd_config *cfg, const char *from, const struct pd_move_opts *opts)
{
    struct watch *w = opts->arg;
    struct pd_move_report report;
    char rows[32];
    pd_err e = pd_db_move(pd_str_c(from), pd_config_get(cfg, "DATABASE_URL"), opts, &report);
    clear(w);
    fflush(stdout);
    PD_TRY(e);
    printf("moved %s rows of %u tables in %.1f s; counts and checksums are equal\n",
           grouped(report.rows, rows), report.tables, (double)(pd_mono_now() - w->began) / 1e6);
    return PD_OK;
}

pd_err pd_app_move(const struct pd_app *app, const struct pd_config *cfg, const char *from)
{
    const struct pd_sql_module **modules = calloc(app->nmodules + 1, sizeof *modules);
    struct watch w = { .terminal = isatty(STDOUT_FILENO), .began = pd_mono_now() };
    if (!modules)
        pd_panic("out of memory");
    pd_err e = run(cfg, from,
                   &(struct pd_move_opts){ .modules = modules,
                                           .nmodules = pd_app_sql(app, modules),
                                           .progress = progress,
                                           .table = table,
                                           .arg = &w });
    free(modules);
    return e;
}
