/* pg_error.c - what PostgreSQL says, in our words.
 *
 * The five-letter SQLSTATE (manual, appendix A) becomes a pd_err. A violated constraint gets the
 * same name that SQLite's driver gives it (db.h), from the fields of the error message:
 *
 *     unique            "t.a,b" from the detail "Key (a, b)=(…) already exists."; an index on an
 *                       expression by its own name
 *     not null          "t.a"
 *     check             "t." and the first word of its expression, or the name its author gave it
 *     foreign key       "t.a": the only foreign key of the table written, else "t.foreign key";
 *                       "foreign key" for a deferred one at commit
 *     raise exception   what it said, word for word
 */
#include "data/pg_error.h"
#include "data/own.h"
#include "data/pg_tx.h"
#include <ctype.h>
#include <stdio.h>

const char *pd_pg_sqlstate(const PGresult *r)
{
    const char *s = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    return s ? s : "";
}

void pd_pg_one_line(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        bool space = *at == '\n' || *at == '\t' || *at == ' ';
        if (!space)
            *to++ = *at;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    *(to > text && to[-1] == ' ' ? to - 1 : to) = '\0';
}

struct meaning {
    const char *prefix; /* of the SQLSTATE; the first that fits counts */
    pd_err e;
    enum pg_fate fate;
    const char *hint;
};
static const struct meaning meanings[] = {
    { "23", PD_ECONSTRAINT, PG_FINAL, NULL },
    { "P0001", PD_ECONSTRAINT, PG_FINAL, NULL },
    { "40002", PD_ECONSTRAINT, PG_FINAL, NULL },
    { "40003", PD_EUNKNOWN, PG_UNSURE, "it may have been done: look before it is repeated" },
    { "40", PD_ECONFLICT, PG_REPEAT,
      "another transaction was in the way, and won: see pd_transact in db.h" },
    { "55P03", PD_EBUSY, PG_LATER, "another transaction holds a lock on these rows" },
    { "57014", PD_ETIME, PG_REPEAT,
      "does it read too much? else the route may get a longer .timeout_ms" },
    { "57P03", PD_EUNAVAIL, PG_LATER, "the server is starting, or being shut down" },
    { "57P04", PD_EUNAVAIL, PG_GONE, "the database was dropped" },
    { "57P0", PD_EUNAVAIL, PG_GONE, "the server is being shut down, or restarted" },
    { "57", PD_EUNAVAIL, PG_LATER, NULL },
    { "25006", PD_EUNAVAIL, PG_ELSEWHERE,
      "the server is a replica: does DATABASE_URL name the primary?" },
    { "25P03", PD_EUNAVAIL, PG_GONE, "the transaction was left waiting for too long" },
    { "25P0", PD_EUNAVAIL, PG_FINAL, NULL },
    { "08007", PD_EUNKNOWN, PG_UNSURE, "it may have been done: look before it is repeated" },
    { "08001", PD_EUNAVAIL, PG_LATER, NULL },
    { "08004", PD_EUNAVAIL, PG_LATER, NULL },
    { "08", PD_EUNAVAIL, PG_GONE, NULL },
    { "53100", PD_ENOSPACE, PG_FINAL,
      "free space on the database's disk; nothing committed is lost" },
    { "53200", PD_ENOMEM, PG_LATER,
      "if it is shared memory: raise max_locks_per_transaction of the server" },
    { "53300", PD_EOVERLOAD, PG_LATER, "max_connections of the server is reached" },
    { "53400", PD_EOVERLOAD, PG_FINAL, NULL },
    { "53", PD_EOVERLOAD, PG_LATER, NULL },
    { "54", PD_ETOOBIG, PG_FINAL, NULL },
    { "22021", PD_EINVAL, PG_FINAL, "text may not hold a zero byte, and must be UTF-8" },
    { "22P05", PD_EINVAL, PG_FINAL, "text may not hold a zero byte, and must be UTF-8" },
    { "22003", PD_ERANGE, PG_FINAL, NULL },
    { "22", PD_EINVAL, PG_FINAL, NULL },
    { "28", PD_EDENIED, PG_FINAL, "look at the user and password in DATABASE_URL" },
    { "42501", PD_EDENIED, PG_FINAL, "the database's user lacks a right" },
    { "42", PD_EINTERNAL, PG_FINAL,
      "is the schema up to date (run `migrate`)? does the module name its "
      ".sql in struct pd_module?" },
    { "58", PD_EIO, PG_FINAL, NULL },
    { "XX001", PD_ECORRUPT, PG_FINAL, "restore the database from a backup" },
    { "XX002", PD_ECORRUPT, PG_FINAL, "rebuild the index (reindex)" },
    { "", PD_EINTERNAL, PG_FINAL, NULL },
};

static const struct meaning *meaning_of(const char *sqlstate)
{
    const struct meaning *m = meanings;
    while (strncmp(sqlstate, m->prefix, strlen(m->prefix)) != 0)
        m++;
    return m;
}

pd_err pd_pg_code(const char *sqlstate)
{
    return meaning_of(sqlstate)->e;
}

enum pg_fate pd_pg_fate_of(const char *sqlstate)
{
    return meaning_of(sqlstate)->fate;
}

bool pd_pg_is_fatal(const PGresult *r)
{
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

enum pg_fate pd_pg_fate(const PGresult *r)
{
    const char *state = pd_pg_sqlstate(r);
    if (!r || (PQresultStatus(r) == PGRES_FATAL_ERROR && !*state))
        return PG_GONE; /* libpq's own errors have no SQLSTATE */
    if (PQresultStatus(r) == PGRES_PIPELINE_ABORTED)
        return PG_REPEAT;
    enum pg_fate fate = pd_pg_fate_of(state);
    return pd_pg_is_fatal(r) && fate != PG_UNSURE ? PG_GONE : fate;
}

pd_err pd_pg_fail(struct pg_pool *pool, const struct pd_stmt *stmt, const PGresult *r)
{
    const char *name = stmt ? stmt->name : "a database command";
    if (pd_pg_fate(r) == PG_GONE && !*pd_pg_sqlstate(r))
        return pd_hint(
            pd_fail(PD_EUNAVAIL, "%s: the database connection was lost: %s", name, pool->why),
            "is the server running? it is tried again");
    if (PQresultStatus(r) == PGRES_PIPELINE_ABORTED)
        return pd_fail(PD_EUNAVAIL, "%s was not run: %s", name, pool->why);
    const struct meaning *m = meaning_of(pd_pg_sqlstate(r));
    if (stmt && (stmt->flags & PD_S_READONLY) && strcmp(m->prefix, "25006") == 0)
        return pd_fail(PD_EINTERNAL, "%s writes, but is taken for a read (%s:%d)", name, stmt->file,
                       stmt->line);
    const char *says = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (!says)
        says = PQresultErrorMessage(r);
    if (stmt)
        pd_fail(m->e, "%s: %s (%s:%d)", name, says, stmt->file, stmt->line);
    else
        pd_fail(m->e, "%s: %s", name, says);
    return m->hint ? pd_hint(m->e, "%s", m->hint) : m->e;
}

/* --- constraints ---------------------------------------------------------------------------------
 */

static pd_str field(const PGresult *r, int which)
{
    const char *s = PQresultErrorField(r, which);
    return s ? pd_str_c(s) : PD_STR("");
}

static pd_str written(const struct pd_stmt *stmt)
{
    return stmt && stmt->writes && stmt->writes[0] ? pd_str_c(stmt->writes[0]) : PD_STR_NULL;
}

/* "Key (a, b)=(1, 2) already exists." -> "a, b"; whatever the language of the rest. */
static pd_str key_columns(pd_str detail)
{
    size_t from = pd_str_find(detail, '('), to = pd_str_find_str(detail, PD_STR(")=("));
    if (from == PD_NPOS || to == PD_NPOS || to <= from)
        return PD_STR("");
    return pd_str_sub(detail, from + 1, to);
}

static void put_unique(struct pd_buf *b, const PGresult *r)
{
    pd_str columns = key_columns(field(r, PG_DIAG_MESSAGE_DETAIL)), part;
    bool first = true;
    if (pd_str_find(columns, '(') != PD_NPOS || !columns.len) {
        pd_buf_put(b, field(r, PG_DIAG_CONSTRAINT_NAME));
        return;
    }
    while (pd_str_split(&columns, ',', &part)) {
        if (!first)
            pd_buf_put_c(b, ',');
        pd_buf_put(b, pd_str_trim(part));
        first = false;
    }
}

/* --- asking the catalog --------------------------------------------------------------------------
 */

struct ask {
    pd_str table, name;
};
struct told {
    struct pd_row pd;
    pd_str text;
};
static const struct pd_column ask_columns[] = {
    PD_COLUMN(struct ask, table, PD_T_STR),
    PD_COLUMN(struct ask, name, PD_T_STR),
};
static const struct pd_column told_columns[] = { PD_COLUMN(struct told, text, PD_T_STR) };
#define ASK(var, title, sql)                                                                       \
    PD_OWN_STMT(var, title, .flags = PD_S_READONLY, PD_TAKES(ask_columns),                         \
                PD_GIVES(struct told, told_columns), .sql_postgres = (sql))
/* A name that the server made itself is no name for people. */
ASK(check_text, "pando.check_text",
    "select case when conname ~ ('^' || $1 || '(_.*)?_check[0-9]*$') then pg_get_constraintdef(oid)"
    " else conname end from pg_constraint where conrelid = to_regclass($1) and conname = $2");
/* The column, if it is the table's only foreign key. */
ASK(key_column, "pando.key_column",
    "select a.attname::text from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid "
    "and "
    "a.attnum = k.conkey[1] where k.conrelid = to_regclass($1) and k.contype = 'f' and $2 <> '' "
    "and "
    "(select count(*) from pg_constraint o where o.conrelid = k.conrelid and o.contype = 'f') = 1 "
    "and array_length(k.conkey, 1) = 1");

/* Asked in the transaction itself, where the failed statement has been undone; PD_STR_NULL if no
 * answer comes. */
static pd_str answer(struct pg_session *s, const struct pd_stmt *ask, pd_str table, pd_str name,
                     struct pd_arena *a)
{
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = ask, .arena = a };
    pd_err e = pd_pg_inside(s, ask, &(struct ask){ table, name }, &out);
    return e == PD_OK && out.n ? ((const struct told *)(const void *)out.rows)->text : PD_STR_NULL;
}

/* "CHECK ((balance >= 0))" -> "balance" */
static void put_first_word(struct pd_buf *b, pd_str text)
{
    size_t from = pd_str_starts(text, PD_STR("CHECK ")) ? 6 : 0;
    while (from < text.len && !isalpha((unsigned char)text.ptr[from]) && text.ptr[from] != '_')
        from++;
    size_t to = from;
    while (to < text.len && (isalnum((unsigned char)text.ptr[to]) || text.ptr[to] == '_'))
        to++;
    pd_buf_put(b, pd_str_sub(text, from, to));
}

static void put_check(struct pd_buf *b, struct pg_session *s, pd_str table, pd_str name)
{
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "constraint" });
    pd_str text = answer(s, &check_text, table, name, &a);
    put_first_word(b, pd_str_is_null(text) ? name : text);
    pd_arena_fini(&a);
}

static void put_foreign_key(struct pd_buf *b, struct pg_session *s, pd_str table)
{
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "constraint" });
    pd_str column = answer(s, &key_column, table, PD_STR("-"), &a);
    pd_buf_fmt(b, "%.*s.", PD_ARG(table));
    pd_buf_put(b, pd_str_is_null(column) ? PD_STR("foreign key") : column);
    pd_arena_fini(&a);
}

void pd_pg_constraint(struct pg_session *s, const struct pd_stmt *stmt, const PGresult *r)
{
    char *out = s->base.constraint;
    const char *state = pd_pg_sqlstate(r);
    pd_str table = field(r, PG_DIAG_TABLE_NAME), name = field(r, PG_DIAG_CONSTRAINT_NAME);
    struct pd_buf b = { .ptr = out, .cap = PD_CONSTRAINT_MAX - 1, .max = PD_CONSTRAINT_MAX - 1 };
    if (strcmp(state, "P0001") == 0) {
        pd_buf_put(&b, pd_str_sub(field(r, PG_DIAG_MESSAGE_PRIMARY), 0, b.max));
    } else if (strcmp(state, "23503") == 0) {
        pd_str at = written(stmt);
        if (stmt)
            put_foreign_key(&b, s, pd_str_is_null(at) ? table : at);
        else
            pd_buf_put(&b, PD_STR("foreign key"));
    } else {
        pd_buf_fmt(&b, "%.*s.", PD_ARG(table));
        if (strcmp(state, "23505") == 0)
            put_unique(&b, r);
        else if (strcmp(state, "23514") == 0)
            put_check(&b, s, table, name);
        else
            pd_buf_put(&b, field(r, PG_DIAG_COLUMN_NAME));
    }
    out[b.len] = '\0';
}
