/* move.c - see move.h: the order of things.
 *
 * Everything in the target happens in one transaction. A lock for migrations keeps a second mover
 * away, and servers that would migrate; the look for tables behind it is what counts.
 *
 * Foreign keys, indexes that belong to no constraint, and triggers are taken away first: with them
 * rows would have to come in an order that circles of references do not have, and an index that is
 * built at once costs a fraction of one that grows. Their definitions are asked of the server, and
 * run again behind the rows; foreign keys are checked then, by one join each.
 */
#include "base/fault.h"
#include "data/move_parts.h"
#include "data/pg_copy.h"
#include "data/pg_row.h"
#include <stdio.h>
#include <unistd.h>

enum { LOOK_EVERY = 512 /* rows between two looks at the clock */ };
#define LOCK_WAIT "10s"
#define SHOW_US   (100 * INT64_C(1000))
#define LONGEST   (24 * 3600 * PD_SECOND) /* of a statement */
#define ROW_BYTES ((size_t)2 << 30)       /* of a row in memory; engines hold a value of 1 GB */

/* --- telling how far it is -----------------------------------------------------------------------
 */

static void show(struct move *m)
{
    m->shown = pd_mono_now();
    if (m->opts->progress)
        m->opts->progress(m->opts->arg, &m->now);
}

static void step(struct move *m, enum pd_move_step step, uint64_t of)
{
    m->now = (struct pd_move_progress){ .step = step, .what = "", .of = of };
    show(m);
}

static void advance(struct move *m)
{
    if (++m->now.done % LOOK_EVERY == 0 && pd_mono_now() - m->shown >= SHOW_US)
        show(m);
}

/* --- before --------------------------------------------------------------------------------------
 */

static pd_err check_urls(pd_str from, pd_str to)
{
    if (!pd_str_starts(from, PD_STR("sqlite:")))
        return pd_hint(pd_fail(PD_ECONFIG, "a move begins at a SQLite file"),
                       "write sqlite:PATH, for instance sqlite:var/app.db");
    if (!pd_str_starts(to, PD_STR("postgres://")) && !pd_str_starts(to, PD_STR("postgresql://")))
        return pd_hint(pd_fail(PD_ECONFIG, "a move ends at a PostgreSQL database"),
                       "set DATABASE_URL to postgres://user@host/database");
    return PD_OK;
}

/* Opening would make the file. */
static pd_err check_file(struct move *m, pd_str from)
{
    const char *path = pd_str_cstr(&m->arena, pd_str_sub(from, strlen("sqlite:"), PD_NPOS));
    if (access(path, F_OK) != 0)
        return pd_fail(PD_ENOTFOUND, "there is no file %s", path);
    return PD_OK;
}

static pd_err open_source(struct move *m, pd_str from)
{
    const struct pd_db_opts opts = { .statement_us = LONGEST, .mmap_bytes = 1 << 20 };
    unsigned newer;
    PD_TRY(check_file(m, from));
    PD_TRY(pd_db_open(from, &opts, &m->from));
    pd_err e = pd_migrate_look(m->from, m->opts->modules, m->opts->nmodules, &newer);
    if (e != PD_OK)
        return pd_hint(e, "bring the SQLite database up to date first, with this program");
    if (newer)
        return pd_hint(pd_fail(PD_ECONFIG,
                               "the SQLite database has %u migrations that this program does not "
                               "know",
                               newer),
                       "move it with the program that made them");
    pd_ctx_init(&m->source, m->from, &m->arena);
    return PD_OK;
}

static pd_err script(struct move *m, const char *sql)
{
    const struct pd_migration text = { .name = "move", .postgres = sql };
    return m->to->driver->script(m->target.session, &text);
}

static pd_err not_empty(pd_str table)
{
    return pd_hint(
        pd_fail(PD_EEXISTS, "the target is not empty: it has a table %.*s", PD_ARG(table)),
        "make a new database for the move; if that was moved before, it is there");
}

/* Waits for its turn, but not for ever: for somebody else's longest migration one does not wait. A
 * lock_timeout that DATABASE_URL brings along counts. */
static pd_err lock_target(struct move *m)
{
    PD_TRY(script(m, "set local idle_in_transaction_session_timeout = 0;"
                     "select set_config('lock_timeout', '" LOCK_WAIT "', true) "
                     "where current_setting('lock_timeout') = '0'"));
    pd_err e = m->to->driver->migrate_lock(m->target.session);
    return e == PD_EBUSY ? pd_hint(pd_fail(e, "another program is migrating the target"),
                                   "wait for it; a target must be empty")
                         : e;
}

static pd_err check_empty(struct move *m)
{
    struct move_texts found;
    PD_TRY(pd_move_ask(m, &m->target, "select current_schema()::text", 1, &found));
    if (pd_str_is_null(found.rows[0].at[0]))
        return pd_hint(pd_fail(PD_ECONFIG, "the target has no schema to put tables into"),
                       "create schema public, or correct search_path");
    PD_TRY(pd_move_ask(m, &m->target,
                       "select relname::text from pg_class where relnamespace = "
                       "current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f') "
                       "order by 1 limit 1",
                       1, &found));
    return found.n ? not_empty(found.rows[0].at[0]) : PD_OK;
}

/* Opens the transaction of the move. */
static pd_err open_target(struct move *m, pd_str to)
{
    const struct pd_db_opts opts = { .statement_us = LONGEST, .connections = 1 };
    PD_TRY(pd_db_open(to, &opts, &m->to));
    pd_ctx_init(&m->target, m->to, &m->arena);
    PD_TRY(pd_begin(&m->target) ? PD_OK : m->target.failed);
    PD_TRY(lock_target(m));
    PD_TRY(check_empty(m));
    return pd_migrate_inside(&m->target, m->opts->modules, m->opts->nmodules);
}

/* --- taking away and putting back ----------------------------------------------------------------
 */

#define HERE "current_schema()::regnamespace"

/* How to take each away, how to put it back, and what to call it meanwhile. Foreign keys come last
 * of what is put back: they may need a unique index. */
static const char hindrances[] =
    "select format('alter table %s disable trigger %I', t.tgrelid::regclass, t.tgname),"
    " format('alter table %s enable trigger %I', t.tgrelid::regclass, t.tgname), t.tgname::text, 3 "
    "from pg_trigger t join pg_class c on c.oid = t.tgrelid "
    "where c.relnamespace = " HERE " and not t.tgisinternal and t.tgenabled = 'O' "
    "union all "
    "select format('alter table %s drop constraint %I', conrelid::regclass, conname),"
    " format('alter table %s add constraint %I %s', conrelid::regclass, conname,"
    " pg_get_constraintdef(oid)), conname::text, 2 "
    "from pg_constraint where connamespace = " HERE " and contype = 'f' and conparentid = 0 "
    "union all "
    "select format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid),"
    " c.relname::text, 1 "
    "from pg_index i join pg_class c on c.oid = i.indexrelid "
    "where c.relnamespace = " HERE " and c.relkind = 'i' and not exists (select from pg_constraint "
    "where conindid = i.indexrelid and contype in ('p', 'u', 'x'))";

static pd_err find_hindrances(struct move *m, const char *order, struct move_texts *out)
{
    pd_str sql = pd_str_fmt(&m->arena,
                            "select away, back, name from (%s) h (away, back, name, rank) "
                            "order by rank %s, name",
                            hindrances, order);
    return pd_move_ask(m, &m->target, sql.ptr, 3, out);
}

/* What the migrations put there themselves is in the source, too. */
static pd_err empty_tables(struct move *m)
{
    for (unsigned i = 0; i < m->ntables; i++)
        PD_TRY(script(m, pd_str_fmt(&m->arena, "truncate %s", m->tables[i].quoted).ptr));
    return PD_OK;
}

static pd_err take_away(struct move *m, struct move_texts *back)
{
    struct move_texts away;
    PD_TRY(find_hindrances(m, "desc", &away));
    PD_TRY(find_hindrances(m, "asc", back));
    for (size_t i = 0; i < away.n; i++)
        PD_TRY(script(m, pd_str_cstr(&m->arena, away.rows[i].at[0])));
    return empty_tables(m);
}

static pd_err run_one(struct move *m, const char *what, pd_str sql)
{
    m->now.what = what;
    show(m);
    PD_TRY(script(m, pd_str_cstr(&m->arena, sql)));
    m->now.done++;
    return PD_OK;
}

static pd_err set_counter(struct move *m, const struct move_table *t)
{
    if (!t->identity || t->counter < 1)
        return PD_OK;
    return script(m,
                  pd_str_fmt(&m->arena, "select setval(pg_get_serial_sequence('%s', '%s'), %lld)",
                             t->quoted, t->identity, (long long)t->counter)
                      .ptr);
}

static pd_err put_back(struct move *m, const struct move_texts *back)
{
    step(m, PD_MOVE_REBUILD, back->n + m->ntables);
    for (size_t i = 0; i < back->n; i++)
        PD_TRY(run_one(m, pd_str_cstr(&m->arena, back->rows[i].at[2]), back->rows[i].at[1]));
    for (unsigned i = 0; i < m->ntables; i++) {
        const struct move_table *t = &m->tables[i];
        PD_TRY(set_counter(m, t));
        PD_TRY(run_one(m, t->name, pd_str_fmt(&m->arena, "analyze %s", t->quoted)));
    }
    return PD_OK;
}

/* --- rows ----------------------------------------------------------------------------------------
 */

struct walk { /* over the rows of a table, in either database */
    struct move *m;
    struct move_table *t;
    struct pd_arena *rows, scratch;
    struct pg_copy copy; /* while copying */
    uint64_t n, sum;
    pd_err failed;
    struct pd_diag why;
};

static const char *why_not(const struct pd_column *col, const void *v)
{
    if (col->type != PD_T_STR && col->type != PD_T_JSON)
        return "a value out of range";
    return pd_str_find(*(const pd_str *)v, '\0') == PD_NPOS ? "text that is not UTF-8"
                                                            : "a zero byte";
}

static pd_err cannot_hold(const struct walk *w, const struct pd_column *col, const void *row)
{
    const struct pd_column *first = &w->t->stmt.columns[0];
    const void *v = (const char *)row + first->offset;
    char which[64] = "";
    if (first->type == PD_T_I64)
        snprintf(which, sizeof which, " (%s %lld)", first->name, (long long)*(const int64_t *)v);
    const char *why = why_not(col, (const char *)row + col->offset);
    return pd_hint(pd_fail(PD_EINVAL, "%s.%s holds %s in row %llu%s, which PostgreSQL cannot",
                           w->t->name, col->name, why, (unsigned long long)w->n + 1, which),
                   "correct it in the SQLite database, and move again");
}

static pd_err check_values(const struct walk *w, const void *row)
{
    const struct pd_stmt *s = &w->t->stmt;
    for (uint32_t i = 0; i < s->ncolumns; i++)
        if (!pd_pg_holds(&s->columns[i], (const char *)row + s->columns[i].offset))
            return cannot_hold(w, &s->columns[i], row);
    return PD_OK;
}

static void note(struct walk *w, const void *row)
{
    w->sum += pd_move_sum(&w->scratch, &w->t->stmt, row);
    pd_arena_reset(&w->scratch);
    w->n++;
    advance(w->m);
}

static bool copy_row(void *arg, const void *row)
{
    struct walk *w = arg;
    w->failed = check_values(w, row);
    if (w->failed == PD_OK)
        w->failed = pd_pg_copy_row(&w->copy, row);
    if (w->failed != PD_OK)
        w->why = *pd_diag();
    else
        note(w, row);
    if (PD_FAULT(move_row))
        w->sum++;
    return w->failed == PD_OK;
}

static bool compare_row(void *arg, const void *row)
{
    note(arg, row);
    return true;
}

static void walk_begin(struct walk *w, struct pd_arena *rows)
{
    pd_arena_init(&w->scratch, &(struct pd_arena_opts){ .name = "move", .budget = ROW_BYTES });
    pd_arena_init(rows,
                  &(struct pd_arena_opts){ .name = "move", .budget = ROW_BYTES, .refuses = true });
    w->rows = rows;
    w->m->now.what = w->t->name;
}

static void walk_end(struct walk *w)
{
    pd_arena_fini(&w->scratch);
    pd_arena_fini(w->rows);
}

static pd_err read_source(struct walk *w)
{
    struct pd_result r = {
        .kind = PD_RESULT_EACH, .stmt = &w->t->stmt, .arena = w->rows, .fn = copy_row, .arg = w
    };
    struct pd_session *s = pd_ctx_session(&w->m->source);
    pd_err e = w->m->from->driver->run(s, &w->t->stmt, NULL, &r);
    return e == PD_OK && w->failed != PD_OK ? pd_diag_restore(&w->why) : e;
}

static pd_err copy_table(struct move *m, struct move_table *t)
{
    struct walk w = { .m = m, .t = t };
    struct pd_arena rows;
    PD_TRY(pd_pg_copy_begin(&w.copy, m->target.session, &t->stmt, t->copy_in));
    walk_begin(&w, &rows);
    pd_err e = read_source(&w);
    struct pd_diag why = *pd_diag();
    pd_err ended = pd_pg_copy_end(&w.copy, e == PD_OK);
    walk_end(&w);
    t->copied = w.n;
    t->sum = w.sum;
    return e == PD_OK ? ended : pd_diag_restore(&why);
}

static pd_err differs(const struct move_table *t, const struct walk *w)
{
    return pd_hint(pd_fail(PD_ECORRUPT,
                           "%s: %lld rows were counted, %llu copied (checksum %016llx), and %llu "
                           "came back (%016llx)",
                           t->name, (long long)t->rows, (unsigned long long)t->copied,
                           (unsigned long long)t->sum, (unsigned long long)w->n,
                           (unsigned long long)w->sum),
                   "nothing was moved; this is a fault of pando: please report it");
}

static pd_err compare_table(struct move *m, struct move_table *t)
{
    struct walk w = { .m = m, .t = t };
    struct pd_arena rows;
    walk_begin(&w, &rows);
    struct pd_result r = {
        .kind = PD_RESULT_EACH, .stmt = &t->stmt, .arena = &rows, .fn = compare_row, .arg = &w
    };
    pd_err e = pd_pg_copy_out(m->target.session, &t->stmt, t->copy_out, &r);
    walk_end(&w);
    PD_TRY(e);
    if (w.n != t->copied || w.n != (uint64_t)t->rows || w.sum != t->sum)
        return differs(t, &w);
    if (m->opts->table)
        m->opts->table(m->opts->arg, &(struct pd_move_table){ t->name, w.n, w.sum });
    return PD_OK;
}

static pd_err each_table(struct move *m, enum pd_move_step what, uint64_t rows,
                         pd_err (*fn)(struct move *m, struct move_table *t))
{
    step(m, what, rows);
    for (unsigned i = 0; i < m->ntables; i++)
        PD_TRY(fn(m, &m->tables[i]));
    show(m);
    return PD_OK;
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static pd_err commit(struct move *m)
{
    step(m, PD_MOVE_COMMIT, 0);
    pd_err e = pd_commit(&m->target);
    return e == PD_EUNKNOWN
               ? pd_hint(e, "move again: a target that has it already is refused as not empty")
               : e;
}

static pd_err move_all(struct move *m, pd_str from, pd_str to, struct pd_move_report *report)
{
    struct move_texts back;
    uint64_t rows = 0;
    PD_TRY(check_urls(from, to));
    PD_TRY(open_source(m, from));
    PD_TRY(open_target(m, to));
    PD_TRY(pd_move_tables(m));
    for (unsigned i = 0; i < m->ntables; i++)
        rows += (uint64_t)m->tables[i].rows;
    PD_TRY(take_away(m, &back));
    PD_TRY(each_table(m, PD_MOVE_COPY, rows, copy_table));
    PD_TRY(put_back(m, &back));
    PD_TRY(each_table(m, PD_MOVE_COMPARE, rows, compare_table));
    *report = (struct pd_move_report){ .rows = rows, .tables = m->ntables };
    return commit(m);
}

pd_err pd_db_move(pd_str from, pd_str to, const struct pd_move_opts *opts,
                  struct pd_move_report *report)
{
    struct move m = { .opts = opts };
    struct pd_move_report ignored;
    pd_arena_init(&m.arena, &(struct pd_arena_opts){ .name = "move", .budget = 256 << 20 });
    pd_err e = move_all(&m, from, to, report ? report : &ignored);
    struct pd_diag why = *pd_diag(); /* ending may fail in its own way */
    pd_ctx_fini(&m.target);
    pd_ctx_fini(&m.source);
    pd_db_close(m.to);
    pd_db_close(m.from);
    pd_arena_fini(&m.arena);
    return e == PD_OK ? PD_OK : pd_diag_restore(&why);
}
