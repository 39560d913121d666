/* migrate.c - brings the schema of every module up to date.
 *
 * The history is a table, one row per applied migration: module, name, and a checksum of the
 * author's text. A module's migrations are ordered by their place in its array, which `pando gen`
 * sorts by name. What the database has must be a beginning of what the program has, or the other
 * way round:
 *
 *     database   1 2 3      1 2 3 4 5           1 2' 3            1 3
 *     program    1 2 3 4    1 2 3               1 2  3            1 2 3
 *                apply 4    fine: 4 and 5 are   refused: 2 was    refused: 2 came
 *                           a newer program's   changed           too late
 *
 * Each migration runs in an ordinary write transaction together with its row, so a crash leaves
 * either both or none of them; on PostgreSQL some run outside of one (db.h), and may run twice.
 *
 * A contract migration removes what programs may use that do not know it: in its transaction it
 * first bars those, and notes that they are too old (contract.c). Programs that know it work
 * without it, too; so where others may hold it up, it may be missing.
 */
#include "data/driver.h"
#include "data/own.h"
#include "os/os.h"
#include <stdio.h>

enum { TRIES = 4 }; /* to lock a table */
#define AGAIN_US (1 * PD_SECOND)
#define ASK_US   (PD_SECOND / 5)   /* between two looks whether somebody else is done */
#define HOLD_US  (600 * PD_SECOND) /* for other programs to migrate */

/* --- the history's statements
 * --------------------------------------------------------------------- */

static const struct pd_migration create = {
    .name = "pando_migration",
    .sqlite = "create table if not exists pando_migration ("
              " module text not null,"
              " name text not null,"
              " checksum text not null,"
              " applied_at integer not null,"
              " primary key (module, name)) strict, without rowid",
    .postgres = "create table if not exists pando_migration ("
                " module text not null,"
                " name text not null,"
                " checksum text not null,"
                " applied_at timestamptz not null,"
                " primary key (module, name))",
};

struct history_row {
    struct pd_row pd;
    pd_str name, checksum;
};
struct exists_row {
    struct pd_row pd;
    int64_t history, contract;
};
struct add_params {
    pd_str module, name, checksum;
    pd_time applied_at;
};

static const struct pd_column module_param[] = { { .name = "module", .type = PD_T_STR } };
static const struct pd_column history_columns[] = {
    PD_COLUMN(struct history_row, name, PD_T_STR),
    PD_COLUMN(struct history_row, checksum, PD_T_STR),
};
static const struct pd_column exists_columns[] = {
    PD_COLUMN(struct exists_row, history, PD_T_I64),
    PD_COLUMN(struct exists_row, contract, PD_T_I64),
};
static const struct pd_column add_columns[] = {
    PD_COLUMN(struct add_params, module, PD_T_STR),
    PD_COLUMN(struct add_params, name, PD_T_STR),
    PD_COLUMN(struct add_params, checksum, PD_T_STR),
    PD_COLUMN(struct add_params, applied_at, PD_T_TIME),
};
static const char *const table[] = { "pando_migration", NULL };

PD_OWN_STMT(
    history_stmt, "pando.migrations", .flags = PD_S_READONLY, PD_TAKES(module_param),
    PD_GIVES(struct history_row, history_columns), .reads = table,
    .sql_sqlite = "select name, checksum from pando_migration where module = ?1 order by name",
    .sql_postgres = "select name, checksum from pando_migration where module = $1 "
                    "order by name collate \"C\"");
PD_OWN_STMT(exists_stmt, "pando.migration_table", .flags = PD_S_READONLY,
            PD_GIVES(struct exists_row, exists_columns),
            .sql_sqlite = "select count(*) filter (where name = 'pando_migration'), "
                          "count(*) filter (where name = 'pando_contract') from sqlite_schema",
            .sql_postgres = "select count(to_regclass('pando_migration')), "
                            "count(to_regclass('pando_contract'))");
PD_OWN_STMT(add_stmt, "pando.migration_add", PD_TAKES(add_columns), .writes = table,
            .sql_sqlite = "insert into pando_migration (module, name, checksum, applied_at) "
                          "values (?1, ?2, ?3, ?4)",
            .sql_postgres = "insert into pando_migration (module, name, checksum, applied_at) "
                            "values ($1, $2, $3, $4)");

/* --- comparing
 * --------------------------------------------------------------------------------------- */

enum { CHECKSUM_TEXT = 17 };

static pd_str checksum_text(const struct pd_migration *m, char *out)
{
    int n = snprintf(out, CHECKSUM_TEXT, "%016llx", (unsigned long long)m->checksum);
    return pd_str_n(out, (size_t)n);
}

static pd_err changed(const struct pd_sql_module *m, const struct pd_migration *mig)
{
    return pd_hint(pd_fail(PD_ECONFIG, "migration %s of module %s has changed since it was applied",
                           mig->name, m->name),
                   "put its old text back, and make the change in a new migration");
}

static pd_err out_of_order(const struct pd_sql_module *m, pd_str have, const char *missing)
{
    return pd_hint(pd_fail(PD_ECONFIG,
                           "module %s: %.*s was applied, but %s, which comes before it, was not",
                           m->name, PD_ARG(have), missing),
                   "rename %s so that it comes last", missing);
}

static pd_err unknown(const struct pd_sql_module *m, pd_str have)
{
    return pd_hint(pd_fail(PD_ECONFIG,
                           "module %s: the database has migration %.*s, which this "
                           "program does not know, before ones that it knows",
                           m->name, PD_ARG(have)),
                   "is this the program that belongs to the database?");
}

/* How many of the module's migrations are in the database already; those beyond are *newer. */
static pd_err compare(const struct pd_sql_module *m, const struct history_row *have, size_t n,
                      uint32_t *present, unsigned *newer)
{
    char text[CHECKSUM_TEXT];
    uint32_t both = 0;
    for (; both < n && both < m->nmigrations; both++) {
        const struct pd_migration *mig = &m->migrations[both];
        int order = pd_str_cmp(have[both].name, pd_str_c(mig->name));
        if (order > 0)
            return out_of_order(m, have[both].name, mig->name);
        if (order < 0)
            return unknown(m, have[both].name);
        if (!pd_str_eq(have[both].checksum, checksum_text(mig, text)))
            return changed(m, mig);
    }
    *present = both;
    *newer = (unsigned)(n - both);
    return PD_OK;
}

static pd_err history(struct pd_ctx *c, const struct pd_sql_module *m, uint32_t *present,
                      unsigned *newer)
{
    pd_str name = pd_str_c(m->name);
    struct pd_rows rows = pd_stmt_many(c, &history_stmt, &name, PD_SITE);
    PD_TRY(c->failed);
    return compare(m, rows.rows, rows.n, present, newer);
}

/* --- applying
 * ------------------------------------------------------------------------------------------ */

/* Opens a transaction in which no other program migrates. */
static pd_err begin(struct pd_ctx *c)
{
    PD_TRY(pd_begin(c) ? PD_OK : c->failed);
    return c->db->driver->migrate_lock ? c->db->driver->migrate_lock(c->session) : PD_OK;
}

static pd_err remember(struct pd_ctx *c, const struct pd_sql_module *m,
                       const struct pd_migration *mig)
{
    char text[CHECKSUM_TEXT];
    struct add_params row = { pd_str_c(m->name), pd_str_c(mig->name), checksum_text(mig, text),
                              pd_time_now() };
    pd_stmt_exec(c, &add_stmt, &row, PD_SITE);
    return c->failed;
}

/* In the open transaction: the module's migration with that number. */
static pd_err apply(struct pd_ctx *c, const struct pd_sql_module *m, uint32_t number)
{
    const struct pd_migration *mig = &m->migrations[number - 1];
    pd_err e = c->db->driver->script(c->session, mig);
    if (e == PD_OK)
        e = remember(c, m, mig);
    if (e == PD_OK && mig->contract)
        e = pd_contract_note(c, m, number);
    return e == PD_OK ? e : pd_wrap(e, "applying migration %s of module %s", mig->name, m->name);
}

static pd_err commit(struct pd_ctx *c, const struct pd_sql_module *m,
                     const struct pd_migration *mig)
{
    pd_err e = pd_commit(c);
    return e == PD_OK ? e : pd_wrap(e, "applying migration %s of module %s", mig->name, m->name);
}

struct run { /* of all migrations */
    struct pd_ctx *c;
    struct pd_hold *hold; /* NULL: the engine has none */
    struct pd_migrate_report *report;
    pd_mono until; /* older programs are waited for */
    bool held_up;  /* the last step was, by one */
    bool said;     /* that one is waited for */
};

/* In the open transaction. */
static pd_err bar_older(struct run *r, const struct pd_sql_module *m, uint32_t number)
{
    const struct pd_driver *driver = r->c->db->driver;
    if (!m->migrations[number - 1].contract || !driver->bar)
        return PD_OK;
    pd_err e = driver->bar(r->c->session, m, number);
    r->held_up = e == PD_EBUSY;
    return e;
}

/* Another program may have applied it while this one waited for the lock: what the history says
 * behind the lock is what counts. */
static pd_err step_in_transaction(struct run *r, const struct pd_sql_module *m, uint32_t *present)
{
    unsigned newer = 0;
    uint32_t before = *present;
    const struct pd_migration *mig = &m->migrations[before];
    PD_TRY(begin(r->c));
    PD_TRY(history(r->c, m, present, &newer));
    if (*present > before) {
        r->report->present += *present - before;
        pd_rollback(r->c);
        return PD_OK;
    }
    PD_TRY(bar_older(r, m, before + 1));
    PD_TRY(apply(r->c, m, before + 1));
    PD_TRY(commit(r->c, m, mig));
    *present = before + 1;
    return PD_OK;
}

/* The hold keeps others away. A crash in between leaves some of it done and no row: it is done
 * again, which such migrations bear. */
static pd_err step_alone(struct run *r, const struct pd_sql_module *m, uint32_t *present)
{
    const struct pd_migration *mig = &m->migrations[*present];
    for (const char *const *sql = mig->postgres_alone; *sql; sql++) {
        pd_err e = r->c->db->driver->hold_run(r->hold, *sql);
        if (e != PD_OK)
            return pd_wrap(e, "applying migration %s of module %s", mig->name, m->name);
    }
    PD_TRY(pd_begin(r->c) ? PD_OK : r->c->failed);
    PD_TRY(remember(r->c, m, mig));
    PD_TRY(commit(r->c, m, mig));
    ++*present;
    return PD_OK;
}

/* The next one that is missing. */
static pd_err step(struct run *r, const struct pd_sql_module *m, uint32_t *present)
{
    const struct pd_migration *mig = &m->migrations[*present];
    uint32_t before = r->report->present;
    bool alone = r->hold && mig->postgres_alone;
    PD_TRY(alone ? step_alone(r, m, present) : step_in_transaction(r, m, present));
    if (r->report->present > before)
        return PD_OK; /* somebody else did it */
    r->report->applied++;
    if (r->report->each)
        r->report->each(r->report->arg, m->name, mig->name);
    return PD_OK;
}

/* Is a step that was in somebody's way to be tried again? Who waits for a table makes others wait
 * behind him: so he does not wait long, but comes again. */
static bool may_again(struct run *r, unsigned *tries)
{
    if (!r->held_up)
        return ++*tries < TRIES;
    return pd_mono_now() < r->until;
}

static void say_older(struct run *r, const struct pd_diag *why)
{
    if (r->held_up && !r->said && r->report->older)
        r->report->older(r->report->arg, why->message);
    r->said |= r->held_up;
}

static pd_err step_patiently(struct run *r, const struct pd_sql_module *m, uint32_t *present)
{
    for (unsigned tries = 0;;) {
        uint32_t jitter;
        r->held_up = false;
        pd_err e = step(r, m, present);
        if (e != PD_EBUSY || r->c->failed != PD_OK)
            return e;
        struct pd_diag why = *pd_diag();
        pd_rollback(r->c); /* nobody waits for this one */
        say_older(r, &why);
        if (!may_again(r, &tries))
            return pd_diag_restore(&why);
        pd_os_random(&jitter, sizeof jitter);
        PD_TRY(pd_sleep(AGAIN_US / 2 + (int64_t)(jitter % AGAIN_US)));
    }
}

/* Can the program work without what is missing? */
static bool is_contract(const struct pd_sql_module *m, uint32_t present)
{
    while (present < m->nmigrations && m->migrations[present].contract)
        present++;
    return present == m->nmigrations;
}

static pd_err migrate_module(struct run *r, const struct pd_sql_module *m)
{
    uint32_t present = 0;
    unsigned newer = 0;
    pd_err e = PD_OK;
    PD_TRY(history(r->c, m, &present, &newer));
    r->report->present += present;
    r->report->newer += newer;
    while (e == PD_OK && present < m->nmigrations)
        e = step_patiently(r, m, &present);
    if (e != PD_EBUSY || !r->held_up || !r->report->leave || !is_contract(m, present))
        return e;
    r->report->left += m->nmigrations - present;
    return PD_OK;
}

static pd_err make_history(struct pd_ctx *c)
{
    PD_TRY(begin(c));
    PD_TRY(c->db->driver->script(c->session, &create));
    return pd_commit(c);
}

static pd_err migrate_held(struct run *r, const struct pd_sql_module *const *modules, unsigned n)
{
    PD_TRY(make_history(r->c));
    for (unsigned i = 0; i < n; i++)
        PD_TRY(migrate_module(r, modules[i]));
    return PD_OK;
}

/* Waits for its turn. */
static pd_err take_hold(struct run *r)
{
    const struct pd_driver *driver = r->c->db->driver;
    pd_mono give_up = pd_mono_now() + HOLD_US;
    pd_err e = PD_OK;
    bool said = false;
    while (driver->hold && (e = driver->hold(r->c->db, &r->hold)) == PD_EBUSY &&
           pd_mono_now() < give_up) {
        if (!said && r->report->waiting)
            r->report->waiting(r->report->arg);
        said = true;
        e = pd_sleep(ASK_US);
        if (e != PD_OK)
            break;
    }
    if (said && (e == PD_ETIME || e == PD_ECANCELED))
        return pd_fail(e, "%s while another program is migrating the database", pd_err_text(e));
    return e == PD_EBUSY ? pd_hint(e, "it has been for ten minutes: pg_stat_activity says more")
                         : e;
}

/* What there is, and what is missing first. */
struct state {
    unsigned present, newer;
    unsigned contract;                  /* are missing, but the program can work without them */
    const struct pd_sql_module *module; /* NULL: nothing else is missing */
    const struct pd_migration *missing;
};

static void look_missing(const struct pd_ctx *c, const struct pd_sql_module *m, uint32_t present,
                         struct state *s)
{
    bool may = c->db->driver->bar && is_contract(m, present);
    if (may)
        s->contract += m->nmigrations - present;
    if (may || s->module)
        return;
    s->module = m;
    s->missing = &m->migrations[present];
}

static pd_err look(struct pd_ctx *c, const struct pd_sql_module *const *modules, unsigned n,
                   struct state *s)
{
    const struct exists_row *there = pd_stmt_one(c, &exists_stmt, NULL, PD_SITE);
    PD_TRY(c->failed);
    *s = (struct state){ 0 };
    for (unsigned i = 0; i < n; i++) {
        const struct pd_sql_module *m = modules[i];
        uint32_t present = 0;
        unsigned newer = 0;
        if (there && there->contract)
            PD_TRY(pd_contract_look(c, m));
        if (there && there->history)
            PD_TRY(history(c, m, &present, &newer));
        s->present += present;
        s->newer += newer;
        if (present < m->nmigrations)
            look_missing(c, m, present, s);
    }
    return PD_OK;
}

/* Not inlined: a diag is kept here and by the caller, too much for one frame of a fiber. */
static __attribute__((noinline)) pd_err migrate_all(struct pd_ctx *c,
                                                    const struct pd_sql_module *const *modules,
                                                    unsigned n, struct pd_migrate_report *report)
{
    struct run r = { .c = c, .report = report };
    struct state s;
    PD_TRY(look(c, modules, n, &s));
    if (!s.module && !s.contract) {
        report->present += s.present;
        report->newer += s.newer;
        return PD_OK;
    }
    PD_TRY(take_hold(&r));
    r.until = pd_mono_now() + report->older_us;
    pd_err e = migrate_held(&r, modules, n);
    if (!r.hold)
        return e;
    struct pd_diag why = *pd_diag();
    pd_rollback(c); /* its locks go before others may come */
    c->db->driver->let_go(r.hold);
    return e == PD_OK ? PD_OK : pd_diag_restore(&why);
}

/* --- entrances
 * ------------------------------------------------------------------------------------------ */

/* Keeps the diag of the error over the end of the context, whose rollback may fail in its own way.
 */
static pd_err finish(struct pd_ctx *c, struct pd_arena *a, pd_err e)
{
    struct pd_diag why = *pd_diag();
    pd_ctx_fini(c);
    pd_arena_fini(a);
    return e == PD_OK ? PD_OK : pd_diag_restore(&why);
}

pd_err pd_db_migrate(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n,
                     struct pd_migrate_report *report)
{
    struct pd_migrate_report ignored = { 0 };
    struct pd_arena a;
    struct pd_ctx c;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "migrate" });
    pd_ctx_init(&c, db, &a);
    return finish(&c, &a, migrate_all(&c, modules, n, report ? report : &ignored));
}

static pd_err look_alone(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n,
                         bool replicas, struct state *s)
{
    struct pd_arena a;
    struct pd_ctx c;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "migrate" });
    pd_ctx_init(&c, db, &a);
    if (replicas)
        pd_ctx_read_replicas(&c, NULL);
    return finish(&c, &a, look(&c, modules, n, s));
}

static pd_err is_missing(const struct state *s)
{
    if (!s->module)
        return PD_OK;
    return pd_hint(pd_fail(PD_ECONFIG, "migration %s of module %s has not been applied",
                           s->missing->name, s->module->name),
                   "run `migrate` first");
}

pd_err pd_migrate_look(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n,
                       unsigned *newer)
{
    struct state s;
    PD_TRY(look_alone(db, modules, n, false, &s));
    *newer = s.newer;
    return is_missing(&s);
}

pd_err pd_db_is_migrated(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n)
{
    return pd_db_await_migrated(db, modules, n, NULL);
}

/* Nobody else could migrate what is not shared. */
pd_err pd_db_await_migrated(struct pd_db *db, const struct pd_sql_module *const *modules,
                            unsigned n, struct pd_await_migrated *a)
{
    struct pd_await_migrated none = { 0 };
    struct state s;
    a = a ? a : &none;
    pd_mono until = pd_mono_now() + (pd_db_is_shared(db) ? a->us : 0);
    for (bool said = false;; said = true) {
        a->missing = false;
        PD_TRY(look_alone(db, modules, n, a->replicas, &s));
        a->left = s.contract;
        a->missing = s.module;
        pd_err e = is_missing(&s);
        if (e == PD_OK || pd_mono_now() >= until)
            return e;
        if (!said && a->waiting)
            a->waiting();
        PD_TRY(pd_sleep(ASK_US));
    }
}

pd_err pd_migrate_inside(struct pd_ctx *c, const struct pd_sql_module *const *modules, unsigned n)
{
    PD_TRY(c->db->driver->script(c->session, &create));
    for (unsigned i = 0; i < n; i++)
        for (uint32_t k = 0; k < modules[i]->nmigrations; k++)
            PD_TRY(apply(c, modules[i], k + 1));
    return PD_OK;
}
