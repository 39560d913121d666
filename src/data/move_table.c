/* move_table.c - what tables there are, and how their rows lie in memory.
 *
 * The catalogue of the target is asked, whose types say what an author meant (SQLite knows only
 * integers, text and blobs). One descriptor per table reads it from either engine: each value comes
 * to lie at a multiple of eight, behind the link that every row begins with.
 */
#include "data/move_parts.h"
#include "data/pg_row.h"
#include "run/loop.h"

#define NOT_OURS                                                                                   \
    " not in ('pando_migration', 'pando_contract', "                                               \
    "'sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4')"

/* --- asking --------------------------------------------------------------------------------------
 */

static struct pd_stmt *question(struct move *m, const char *sql)
{
    struct pd_stmt *s = pd_arena_new(&m->arena, struct pd_stmt);
    *s = (struct pd_stmt){ .name = "pando.move",
                           .file = __FILE__,
                           .line = __LINE__,
                           .flags = PD_S_READONLY,
                           .sql_sqlite = sql,
                           .sql_postgres = sql };
    return s;
}

/* Who has a transaction may wait for nothing else, since others wait for it. Nobody waits for the
 * target of a move: it may wait for the source. */
static pd_err run(struct pd_ctx *c, struct pd_stmt *s, struct pd_rows *out)
{
    struct pd_guard *guard = c->session && c->session->in_tx ? NULL : pd_guard_suspend();
    *out = pd_stmt_many(c, s, NULL, PD_SITE);
    if (guard)
        pd_guard_resume(guard);
    return c->failed;
}

pd_err pd_move_ask(struct move *m, struct pd_ctx *c, const char *sql, unsigned columns,
                   struct move_texts *out)
{
    static const struct pd_column texts[] = {
        { .name = "1", .type = PD_T_STR, .nullable = true, .offset = sizeof(struct pd_row) },
        { .name = "2", .type = PD_T_STR, .nullable = true, .offset = sizeof(struct pd_row) + 16 },
        { .name = "3", .type = PD_T_STR, .nullable = true, .offset = sizeof(struct pd_row) + 32 },
        { .name = "4", .type = PD_T_STR, .nullable = true, .offset = sizeof(struct pd_row) + 48 },
        { .name = "5", .type = PD_T_STR, .nullable = true, .offset = sizeof(struct pd_row) + 64 },
    };
    _Static_assert(sizeof(pd_str) == 16, "the offsets above");
    struct pd_stmt *s = question(m, sql);
    pd_assert(columns <= sizeof texts / sizeof *texts);
    s->ncolumns = columns;
    s->columns = texts;
    s->row_size = sizeof(struct move_text);
    struct pd_rows rows;
    PD_TRY(run(c, s, &rows));
    *out = (struct move_texts){ rows.rows, rows.n };
    return PD_OK;
}

pd_err pd_move_number(struct move *m, struct pd_ctx *c, const char *sql, int64_t *out)
{
    static const struct pd_column number = { .name = "n",
                                             .type = PD_T_I64,
                                             .offset = sizeof(struct pd_row) };
    struct row {
        struct pd_row pd;
        int64_t n;
    };
    struct pd_stmt *s = question(m, sql);
    s->ncolumns = 1;
    s->columns = &number;
    s->row_size = sizeof(struct row);
    struct pd_rows rows;
    PD_TRY(run(c, s, &rows));
    *out = rows.n ? ((const struct row *)rows.rows)->n : 0;
    return PD_OK;
}

/* --- one table -----------------------------------------------------------------------------------
 */

/* "a" -> "\"a\"", as both engines quote. */
static void put_name(struct pd_buf *b, pd_str name)
{
    pd_buf_put_c(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            pd_buf_put_c(b, '"');
        pd_buf_put_c(b, name.ptr[i]);
    }
    pd_buf_put_c(b, '"');
}

static const char *quoted(struct move *m, pd_str name)
{
    struct pd_buf b;
    pd_buf_init(&b, &m->arena, 1024);
    put_name(&b, name);
    return pd_str_cstr(&m->arena, pd_buf_str(&b));
}

/* A row of the catalogue: table, column, type's name, its oid, flags ("n" nullable, "i" identity).
 */
enum { TABLE, COLUMN, TYPE, TYPE_OID, FLAGS };

static pd_err fill_column(struct move *m, struct move_table *t, const struct move_text *of,
                          struct pd_column *col)
{
    int64_t oid = 0;
    bool nullable = pd_str_find(of->at[FLAGS], 'n') != PD_NPOS;
    *col = (struct pd_column){ .name = pd_str_cstr(&m->arena, of->at[COLUMN]) };
    if (!pd_str_to_i64(of->at[TYPE_OID], &oid) || !pd_pg_column_type((Oid)oid, nullable, col))
        return pd_hint(pd_fail(PD_EUNSUPPORTED, "column %s.%s is of type %.*s", t->name, col->name,
                               PD_ARG(of->at[TYPE])),
                       "only the types of migrations can be moved, and no uuid that may be null");
    if (pd_str_find(of->at[FLAGS], 'i') != PD_NPOS)
        t->identity = col->name;
    return PD_OK;
}

static const char *text_of(struct move *m, const char *before, const struct pd_buf *columns,
                           const char *between, const char *table, const char *after)
{
    return pd_str_fmt(&m->arena, "%s%.*s%s%s%s", before, (int)columns->len, columns->ptr, between,
                      table, after)
        .ptr;
}

static void write_texts(struct move *m, struct move_table *t)
{
    struct pd_buf names;
    const char *table = t->quoted;
    pd_buf_init(&names, &m->arena, 1 << 16);
    for (uint32_t i = 0; i < t->stmt.ncolumns; i++) {
        if (i)
            pd_buf_put(&names, PD_STR(", "));
        put_name(&names, pd_str_c(t->stmt.columns[i].name));
    }
    t->stmt.sql_sqlite = text_of(m, "select ", &names, " from ", table, "");
    t->copy_out =
        text_of(m, "copy (select ", &names, " from ", table, ") to stdout (format binary)");
    t->copy_in = pd_str_fmt(&m->arena, "copy %s (%.*s) from stdin (format binary)", table,
                            (int)names.len, names.ptr)
                     .ptr;
}

static pd_err fill_table(struct move *m, struct move_table *t, const struct move_text *of, size_t n)
{
    struct pd_column *columns = pd_arena_new_n(&m->arena, struct pd_column, n);
    t->name = pd_str_cstr(&m->arena, of->at[TABLE]);
    t->quoted = quoted(m, of->at[TABLE]);
    for (size_t i = 0; i < n; i++) {
        PD_TRY(fill_column(m, t, &of[i], &columns[i]));
        columns[i].offset = (uint32_t)(sizeof(struct pd_row) + i * 16);
    }
    t->stmt = (struct pd_stmt){ .name = t->name,
                                .file = __FILE__,
                                .line = __LINE__,
                                .flags = PD_S_READONLY,
                                .ncolumns = (uint32_t)n,
                                .row_size = (uint32_t)(sizeof(struct pd_row) + n * 16),
                                .columns = columns };
    write_texts(m, t);
    return PD_OK;
}

/* --- all tables ----------------------------------------------------------------------------------
 */

static size_t same_table(const struct move_texts *all, size_t from)
{
    size_t n = 1;
    while (from + n < all->n && pd_str_eq(all->rows[from].at[TABLE], all->rows[from + n].at[TABLE]))
        n++;
    return n;
}

static pd_err read_target(struct move *m)
{
    struct move_texts all;
    PD_TRY(pd_move_ask(m, &m->target,
                       "select c.relname::text, a.attname::text, format_type(a.atttypid, null), "
                       "a.atttypid::bigint::text, case when a.attnotnull then '' else 'n' end || "
                       "case when a.attidentity <> '' then 'i' else '' end "
                       "from pg_class c join pg_attribute a on a.attrelid = c.oid "
                       "where c.relnamespace = current_schema()::regnamespace "
                       "and c.relkind in ('r', 'p') and not c.relispartition "
                       "and c.relname" NOT_OURS " and a.attnum > 0 and not a.attisdropped "
                       "and a.attgenerated = '' order by c.relname collate \"C\", a.attnum",
                       5, &all));
    m->tables = pd_arena_zalloc(&m->arena, (all.n + 1) * sizeof *m->tables);
    for (size_t i = 0, n; i < all.n; i += n) {
        n = same_table(&all, i);
        PD_TRY(fill_table(m, &m->tables[m->ntables++], &all.rows[i], n));
    }
    return PD_OK;
}

static pd_err only_in(const char *where, pd_str table, pd_str column)
{
    return pd_hint(pd_fail(PD_ECONFIG, "column %.*s.%.*s is in the %s only", PD_ARG(table),
                           PD_ARG(column), where),
                   "the two must have the same tables, as the migrations make them");
}

static bool target_has(const struct move *m, pd_str table, pd_str column)
{
    for (unsigned i = 0; i < m->ntables; i++) {
        const struct pd_stmt *s = &m->tables[i].stmt;
        if (!pd_str_eq(pd_str_c(s->name), table))
            continue;
        for (uint32_t k = 0; k < s->ncolumns; k++)
            if (pd_str_eq(pd_str_c(s->columns[k].name), column))
                return true;
    }
    return false;
}

static bool source_has(const struct move_texts *all, const char *table, const char *column)
{
    for (size_t i = 0; i < all->n; i++)
        if (pd_str_eq(all->rows[i].at[TABLE], pd_str_c(table)) &&
            pd_str_eq(all->rows[i].at[COLUMN], pd_str_c(column)))
            return true;
    return false;
}

static pd_err compare(struct move *m)
{
    struct move_texts all;
    PD_TRY(pd_move_ask(m, &m->source,
                       "select t.name, c.name from sqlite_schema t, pragma_table_xinfo(t.name) c "
                       "where t.type = 'table' and c.hidden = 0 and t.name" NOT_OURS,
                       2, &all));
    for (size_t i = 0; i < all.n; i++)
        if (!target_has(m, all.rows[i].at[TABLE], all.rows[i].at[COLUMN]))
            return only_in("source", all.rows[i].at[TABLE], all.rows[i].at[COLUMN]);
    for (unsigned i = 0; i < m->ntables; i++) {
        const struct pd_stmt *s = &m->tables[i].stmt;
        for (uint32_t k = 0; k < s->ncolumns; k++)
            if (!source_has(&all, s->name, s->columns[k].name))
                return only_in("target", pd_str_c(s->name), pd_str_c(s->columns[k].name));
    }
    return PD_OK;
}

/* Ids are never used twice (autoincrement), so the counter counts, not the greatest id. */
static pd_err count(struct move *m, struct move_table *t)
{
    pd_str sql = pd_str_fmt(&m->arena, "select count(*) from %s", t->quoted);
    PD_TRY(pd_move_number(m, &m->source, sql.ptr, &t->rows));
    if (!t->identity)
        return PD_OK;
    sql = pd_str_fmt(&m->arena,
                     "select max(coalesce((select max(%s) from %s), 0), "
                     "coalesce((select seq from sqlite_sequence where name = '%s'), 0))",
                     quoted(m, pd_str_c(t->identity)), t->quoted, t->name);
    return pd_move_number(m, &m->source, sql.ptr, &t->counter);
}

pd_err pd_move_tables(struct move *m)
{
    PD_TRY(read_target(m));
    PD_TRY(compare(m));
    for (unsigned i = 0; i < m->ntables; i++)
        PD_TRY(count(m, &m->tables[i]));
    return PD_OK;
}
