/* sql_schema.c - runs the migrations and reads back what they made.
 *
 * The migrations of each module run in order in the scratch SQLite, one statement at a time, so
 * that an error has a place. What the tables look like is then read from SQLite itself (columns,
 * keys, indexes) and joined with the aliases that sql_expand.c remembered: the database is right
 * about structure, the author's text about meaning.
 *
 * Two lints belong to the schema alone: a module keeps to its own tables, and a foreign key has an
 * index (without one, deleting a parent scans the child, and no plan shows it).
 */
#include "gen/sql.h"

#include <ctype.h>

struct reader { /* one migration file */
    struct sql *s;
    struct sql_module *m;
    struct sql_migration *migration;
    struct sql_tokens stmt; /* tokens of the statement being read */
    pd_str small, unused_ok, scan_ok;
    struct note { /* "no index: why", for the column in this line */
        pd_str why;
        int line;
        struct note *next;
    } * notes;
    bool only_sqlite, only_postgres;
    struct sql_lint lint;
    int blocks;             /* BEGIN and CASE not yet closed by END, in a trigger */
    struct sql_table *last; /* created last */
    int last_line;          /* of its ';' */
    struct pd_buf sqlite, postgres;
};

/* --- running one statement ----------------------------------------------------------------- */

static void check_owner(struct sql *s, struct sql_module *m, struct sql_pos pos,
                        struct sql_table **tables, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct sql_table *t = tables[i];
        if (t->owner == m || !t->owner)
            continue;
        sql_error(s, pos, "PD-SQL-014",
                  pd_str_fmt(s->arena, "call a public function of module %.*s instead",
                             PD_ARG(t->owner->name)),
                  "table \"%.*s\" belongs to module %.*s", PD_ARG(t->name), PD_ARG(t->owner->name));
    }
}

/* `refused`: the author has been told already that it cannot stay. */
static void run(struct sql *s, struct sql_module *m, pd_str file, struct sql_piece *piece,
                bool refused)
{
    sqlite3_stmt *stmt = NULL;
    s->nreads = s->nwrites = 0;
    pd_str text = pd_buf_str(&piece->sqlite.buf);
    int rc = sqlite3_prepare_v2(s->db, text.ptr, (int)text.len, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(stmt)) {
        sql_error(s, piece->pos, "PD-SQL-016", PD_STR("write the value"),
                  "a migration has no parameters: nobody would give them a value");
        rc = SQLITE_DONE;
    }
    while (rc == SQLITE_OK || rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE && !refused)
        sql_report_sqlite(s, &piece->sqlite, file, "PD-SQL-007");
    if (rc == SQLITE_DONE) {
        check_owner(s, m, piece->pos, s->reads, s->nreads);
        check_owner(s, m, piece->pos, s->writes, s->nwrites);
    }
    sqlite3_finalize(stmt);
}

/* Where the text of a function begins, behind the quote. */
static struct sql_pos body_of(const struct reader *r)
{
    uint32_t i = 0;
    while (i + 1 < r->stmt.n && r->stmt.at[i].kind != SQL_STRING)
        i++;
    const struct sql_token *t = &r->stmt.at[i];
    size_t quote =
        t->text.ptr[0] == '$' ? pd_str_find(pd_str_sub(t->text, 1, PD_NPOS), '$') + 2 : 1;
    return (struct sql_pos){ r->migration->file, t->line, t->column + (int)quote };
}

/* Remembers where an index, view, trigger or (of PostgreSQL) function was made. */
static void note_made(struct reader *r, int line)
{
    struct sql_token *t = r->stmt.at;
    uint32_t at = 1;
    if (!sql_is(&t[0], "create") || r->stmt.n < 5)
        return;
    at += sql_is(&t[at], "or") ? 2 : sql_is_any(&t[at], "unique temp temporary");
    bool function = sql_is(&t[at], "function");
    if (!function && (r->only_postgres || !sql_is_any(&t[at], "index view trigger")))
        return;
    struct sql_token *kind = &t[at];
    at += sql_is(&t[at + 1], "if") ? 4 : 1;
    if (at >= r->stmt.n)
        return;
    struct sql_made *made = pd_arena_new(r->s->arena, struct sql_made);
    *made = (struct sql_made){ .name = sql_unquote(r->s, &t[at]),
                               .module = r->m,
                               .pos = { r->migration->file, t[at].line, t[at].column },
                               .is_view = sql_is(kind, "view"),
                               .is_trigger = sql_is(kind, "trigger"),
                               .is_function = function,
                               .body = function ? body_of(r) : (struct sql_pos){ .line = 0 },
                               .unused_ok = r->unused_ok,
                               .scan_ok = r->scan_ok,
                               .end = line,
                               .next = r->s->made };
    r->s->made = made;
}

static void apply_notes(struct reader *r)
{
    for (struct note *n = r->notes; n; n = n->next) {
        for (struct sql_table *t = r->s->tables; t; t = t->next) {
            for (uint32_t i = 0; i < t->ncolumns; i++) {
                struct sql_column *c = &t->columns[i];
                if (c->pos.line == n->line && pd_str_eq(c->pos.file, r->migration->file))
                    c->no_index = n->why;
            }
        }
    }
    r->notes = NULL;
}

/* A migration runs inside the transaction that also notes that it ran. */
static bool is_allowed(struct reader *r)
{
    struct sql_token *first = &r->stmt.at[0];
    if (!sql_is_any(first, "begin start commit end rollback abort savepoint release attach detach "
                           "vacuum pragma set reset prepare deallocate discard"))
        return true;
    sql_error(r->s, (struct sql_pos){ r->migration->file, first->line, first->column },
              "PD-SQL-016", PD_STR("remove it: each migration is one transaction by itself"),
              "\"%.*s\" does not belong into a migration", PD_ARG(first->text));
    return false;
}

static void add_postgres(struct reader *r, const struct sql_piece *piece)
{
    if (r->lint.alone)
        sql_expand_alone(r->s, r->m, r->migration, &r->stmt);
    pd_buf_fmt(&r->postgres, "%.*s\n", PD_ARG(pd_buf_str(&piece->postgres)));
}

static enum sql_engine engine_of(const struct reader *r)
{
    return r->only_sqlite ? SQL_ONLY_SQLITE : r->only_postgres ? SQL_ONLY_POSTGRES : SQL_BOTH;
}

static void end_statement(struct reader *r, int line)
{
    struct sql *s = r->s;
    struct sql_piece piece = { 0 };
    struct sql_table **end = s->last_table;
    sql_tokens_match(&r->stmt);
    if (r->stmt.n && is_allowed(r) &&
        sql_expand(s, r->m, r->migration->file, &r->stmt, 0, r->stmt.n, &piece)) {
        bool refused = sql_lint(s, &r->lint, &r->stmt, engine_of(r));
        note_made(r, line);
        if (!r->only_postgres) {
            run(s, r->m, r->migration->file, &piece, refused);
            pd_buf_fmt(&r->sqlite, "%.*s\n", PD_ARG(pd_buf_str(&piece.sqlite.buf)));
        }
        if (!r->only_sqlite)
            add_postgres(r, &piece);
    }
    r->last = *end; /* NULL unless a table was added */
    r->last_line = line;
    if (r->last && r->small.len)
        r->last->small = r->small;
    apply_notes(r);
    r->stmt = (struct sql_tokens){ 0 };
    r->small = r->unused_ok = r->scan_ok = r->lint.unsafe_ok = PD_STR_NULL;
    r->only_sqlite = r->only_postgres = false;
}

/* --- reading one file ---------------------------------------------------------------------- */

/* "small: why" of a comment, which must say why. */
static bool annotation(pd_str comment, const char *word, pd_str *rest)
{
    comment = pd_str_trim(comment);
    if (!pd_str_starts(comment, pd_str_c(word)))
        return false;
    *rest = pd_str_trim(pd_str_sub(comment, strlen(word), comment.len));
    return true;
}

static void read_comment(struct reader *r, struct sql_token *t)
{
    pd_str rest;
    struct sql_pos pos = { r->migration->file, t->line, t->column };
    if (annotation(t->text, "small:", &rest)) {
        if (!rest.len)
            sql_error(r->s, pos, "PD-SQL-020", PD_STR("write -- small: and why it cannot grow"),
                      "\"small\" without a reason");
        if (r->stmt.n == 0 && r->last && r->last_line == t->line)
            r->last->small = rest;
        else
            r->small = rest;
    } else if (annotation(t->text, "no index:", &rest)) {
        struct note *note = pd_arena_new(r->s->arena, struct note);
        *note = (struct note){ rest, t->line, r->notes };
        r->notes = note;
        if (!rest.len)
            sql_error(r->s, pos, "PD-SQL-020", PD_STR("say why its parents are never deleted"),
                      "\"no index\" without a reason");
    } else if (annotation(t->text, "unused ok:", &rest)) {
        if (!rest.len)
            sql_error(r->s, pos, "PD-SQL-020", PD_STR("say what the index is for"),
                      "\"unused ok\" without a reason");
        struct sql_made *last = r->s->made;
        if (r->stmt.n == 0 && last && last->end == t->line &&
            pd_str_eq(last->pos.file, r->migration->file))
            last->unused_ok = rest;
        else
            r->unused_ok = rest;
    } else if (annotation(t->text, "scan ok:", &rest)) {
        if (!rest.len)
            sql_error(r->s, pos, "PD-SQL-020", PD_STR("say why the trigger may read all of it"),
                      "\"scan ok\" without a reason");
        r->scan_ok = rest;
    } else if (annotation(t->text, "unsafe ok:", &rest)) {
        r->lint.unsafe_ok = rest.len ? rest : PD_STR("?");
        if (!rest.len)
            sql_error(r->s, pos, "PD-SQL-020", PD_STR("say why it hurts nobody here"),
                      "\"unsafe ok\" without a reason");
    } else if (annotation(t->text, "phase:", &rest)) {
        sql_lint_phase(r->s, &r->lint, pos, rest);
    } else if (annotation(t->text, "sqlite:", &rest)) {
        r->only_sqlite = true;
    } else if (annotation(t->text, "postgres:", &rest)) {
        r->only_postgres = true;
    }
}

static bool in_trigger(const struct sql_tokens *t)
{
    for (uint32_t i = 1; i < t->n && i < 3; i++) {
        if (sql_is(&t->at[i], "trigger"))
            return sql_is(&t->at[0], "create");
    }
    return false;
}

static void read_token(struct reader *r, struct sql_token *t)
{
    if (sql_is(t, ";") && (r->blocks == 0 || !in_trigger(&r->stmt))) {
        end_statement(r, t->line);
        r->blocks = 0;
        return;
    }
    if (sql_is_any(t, "begin case"))
        r->blocks++;
    else if (sql_is(t, "end"))
        r->blocks--;
    sql_tokens_add(r->s, &r->stmt, *t);
}

static void read_migration(struct sql *s, struct sql_module *m, struct sql_migration *migration,
                           pd_str text)
{
    struct reader r = {
        .s = s, .m = m, .migration = migration, .lint = { .path = migration->file }
    };
    struct sql_tokens tokens = { 0 };
    struct sql_pos start = { migration->file, 1, 1 };
    pd_buf_init(&r.sqlite, s->arena, SQL_TEXT_MAX);
    pd_buf_init(&r.postgres, s->arena, SQL_TEXT_MAX);
    if (!sql_lex(s, start, text, &tokens))
        return;
    r.lint.alone = migration->alone = sql_lint_is_alone(&tokens);
    for (uint32_t i = 0; i < tokens.n; i++) {
        if (tokens.at[i].kind == SQL_COMMENT)
            read_comment(&r, &tokens.at[i]);
        else
            read_token(&r, &tokens.at[i]);
    }
    if (r.stmt.n)
        sql_error(s, (struct sql_pos){ migration->file, r.stmt.at[0].line, r.stmt.at[0].column },
                  "PD-SQL-003", PD_STR("end it with ;"),
                  "the statement that begins here has no end");
    migration->contract = sql_lint_is_contract(s, &r.lint);
    migration->sqlite = pd_buf_str(&r.sqlite);
    migration->postgres = pd_buf_str(&r.postgres);
}

static bool is_migration_name(pd_str name)
{
    if (!pd_str_ends(name, PD_STR(".sql")) || name.len < 10 || name.ptr[4] != '_')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool fits = i < 4 ? isdigit(c) : isalnum(c) || c == '_' || c == '-' || c == '.';
        if (!fits) /* it stands in C, and in the table of what has run */
            return false;
    }
    return true;
}

static void read_file(struct sql *s, struct sql_module *m, pd_str dir, pd_str name,
                      struct sql_migration ***end)
{
    struct sql_pos pos = { pd_str_fmt(s->arena, "%.*s/%.*s", PD_ARG(dir), PD_ARG(name)), 0, 0 };
    pd_str text;
    if (!is_migration_name(name)) {
        sql_error(s, pos, "PD-SQL-001", PD_STR("name it NNNN_what_it_does.sql"),
                  "this is not the name of a migration");
        return;
    }
    if (gen_read_text(s->g, pos.file, &text) != PD_OK) {
        sql_error(s, pos, "PD-SQL-001", pd_str_c(pd_diag()->hint), "%s", pd_diag()->message);
        return;
    }
    struct sql_migration *migration = pd_arena_new(s->arena, struct sql_migration);
    migration->name = pd_str_sub(name, 0, name.len - 4);
    migration->file = pos.file;
    migration->checksum = sql_hash(text);
    **end = migration;
    *end = &migration->next;
    read_migration(s, m, migration, text);
}

static void read_module(struct sql *s, struct sql_module *m)
{
    pd_str dir = pd_str_fmt(s->arena, "%.*s/migrations", PD_ARG(m->m->dir)), *names;
    size_t n;
    if (gen_list(s->g, dir, &names, &n) != PD_OK) {
        sql_error(s, (struct sql_pos){ dir, 0, 0 }, "PD-SQL-001", PD_STR_NULL, "%s",
                  pd_diag()->message);
        return;
    }
    struct sql_migration **end = &m->migrations;
    for (size_t i = 0; i < n; i++)
        read_file(s, m, dir, names[i], &end);
}

/* --- reading back -------------------------------------------------------------------------- */

static pd_str text_of(struct sql *s, sqlite3_stmt *q, int i)
{
    const char *text = (const char *)sqlite3_column_text(q, i);
    return text ? pd_str_dup(s->arena, pd_str_c(text)) : PD_STR_NULL;
}

PD_NORETURN static void cannot_read(struct sql *s)
{
    pd_panic("cannot read the scratch schema: %s", sqlite3_errmsg(s->db));
}

bool sql_next(struct sql *s, sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        cannot_read(s);
    return rc == SQLITE_ROW;
}

sqlite3_stmt *sql_ask(struct sql *s, const char *sql, pd_str name)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        cannot_read(s);
    sqlite3_bind_text(q, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    return q;
}

static void read_columns(struct sql *s, struct sql_table *t)
{
    struct sql_table old = *t;
    sqlite3_stmt *q = sql_ask(
        s, "select name, \"notnull\", dflt_value, pk from pragma_table_xinfo(?1) where hidden = 0",
        t->name);
    t->columns = NULL;
    t->ncolumns = t->cap = 0;
    while (sql_next(s, q)) {
        pd_str name = text_of(s, q, 0);
        struct sql_column *known = sql_column_find(&old, name);
        struct sql_column c = known ? *known : (struct sql_column){ .pos = t->pos };
        c.name = name;
        c.exists = true;
        c.fallback = text_of(s, q, 2);
        c.pk = (unsigned)sqlite3_column_int(q, 3);
        c.not_null = sqlite3_column_int(q, 1) || c.pk;
        sql_column_add(s, t, c);
    }
    sqlite3_finalize(q);
}

static void read_index_columns(struct sql *s, struct sql_table *t, struct sql_index *index)
{
    sqlite3_stmt *q = sql_ask(
        s, "select name, desc from pragma_index_xinfo(?1) where key order by seqno", index->name);
    while (sql_next(s, q) && index->n < SQL_INDEX_COLUMNS) {
        pd_str name = text_of(s, q, 0);
        index->at[index->n].column = name.len ? sql_column_find(t, name) : NULL;
        index->at[index->n++].desc = sqlite3_column_int(q, 1);
    }
    sqlite3_finalize(q);
}

/* "create index … where state = 'open' and at > 0" */
static void read_conditions(struct sql *s, struct sql_index *index)
{
    struct sql_tokens t = { 0 };
    struct sql_pos nowhere = { PD_STR("an index"), 1, 1 };
    sqlite3_stmt *q = sql_ask(s, "select sql from sqlite_schema where name = ?1", index->name);
    uint32_t where = 0;
    if (sql_next(s, q) && sql_lex(s, nowhere, text_of(s, q, 0), &t)) {
        while (where < t.n && !sql_is(&t.at[where], "where"))
            where++;
        index->nconditions =
            sql_conditions(s, &t, where + 1, t.n, index->conditions, SQL_INDEX_COLUMNS);
    }
    sqlite3_finalize(q);
}

static void add_index(struct sql *s, struct sql_table *t, struct sql_index index)
{
    struct sql_index *i = pd_arena_new(s->arena, struct sql_index);
    *i = index;
    i->next = t->indexes;
    t->indexes = i;
}

static void read_indexes(struct sql *s, struct sql_table *t)
{
    sqlite3_stmt *q =
        sql_ask(s, "select name, \"unique\", origin, partial from pragma_index_list(?1)", t->name);
    while (sql_next(s, q)) {
        struct sql_index index = { .name = text_of(s, q, 0), .pos = t->pos };
        index.unique = sqlite3_column_int(q, 1);
        index.made = pd_str_eq(text_of(s, q, 2), PD_STR("c"));
        index.partial = sqlite3_column_int(q, 3);
        for (struct sql_made *m = s->made; m; m = m->next) {
            if (m->is_view || m->is_trigger || m->is_function ||
                !pd_str_eq_nocase(m->name, index.name))
                continue;
            index.pos = m->pos;
            index.unused_ok = m->unused_ok;
        }
        read_index_columns(s, t, &index);
        if (index.partial)
            read_conditions(s, &index);
        add_index(s, t, index);
    }
    sqlite3_finalize(q);
    struct sql_column *id = sql_column_find(t, PD_STR("id"));
    if (id && id->alias == SQL_A_ID) { /* the rowid: a key without an index of its own */
        struct sql_index key = { .unique = true, .n = 1 };
        key.at[0].column = id;
        add_index(s, t, key);
    }
}

struct sql_index *sql_index_on(const struct sql_table *t, const struct sql_column *c)
{
    struct sql_index *best = NULL;
    for (struct sql_index *i = t->indexes; i; i = i->next) {
        if (i->n && i->at[0].column == c && !i->partial && (!best || i->n < best->n))
            best = i;
    }
    return best;
}

/* --- checks of the whole schema ------------------------------------------------------------ */

static bool resolve(struct sql *s, struct sql_table *t, struct sql_column *c)
{
    struct sql_table *of = sql_table_find(s, c->target);
    struct sql_column *id = of && of->exists ? sql_column_find(of, PD_STR("id")) : NULL;
    if (!of || !of->exists) {
        sql_error(s, c->target_pos, "PD-SQL-006", sql_nearest_table(s, c->target),
                  "column \"%.*s\" refers to a table \"%.*s\" that does not exist", PD_ARG(c->name),
                  PD_ARG(c->target));
        return false;
    }
    if (!id || id->alias != SQL_A_ID) {
        sql_error(s, c->target_pos, "PD-SQL-006", PD_STR("give that table a column `id id`"),
                  "table \"%.*s\" has no id to refer to", PD_ARG(c->target));
        return false;
    }
    if (c->alias == SQL_A_REF && of->owner != t->owner) {
        sql_error(s, c->target_pos, "PD-SQL-006",
                  pd_str_fmt(s->arena, "write xref(%.*s): its rows are loaded by batch",
                             PD_ARG(c->target)),
                  "a foreign key must not leave its module (\"%.*s\" belongs to %.*s)",
                  PD_ARG(c->target), PD_ARG(of->owner ? of->owner->name : PD_STR("nobody")));
        return false;
    }
    c->of = of;
    return true;
}

static void check_column(struct sql *s, struct sql_table *t, struct sql_column *c)
{
    if (!sql_is_name(c->name))
        sql_error(s, c->pos, "PD-SQL-021",
                  PD_STR("use [a-z][a-z0-9_]* and no keyword of C: it becomes a struct member"),
                  "\"%.*s\" cannot name a column", PD_ARG(c->name));
    if (c->alias == SQL_A_UUID && !c->not_null)
        sql_error(s, c->pos, "PD-SQL-009",
                  PD_STR("write uuid not null, or put it in a table of its own"),
                  "uuid column \"%.*s\" may be null", PD_ARG(c->name));
    bool points = c->alias == SQL_A_REF || c->alias == SQL_A_XREF;
    if (!points || !resolve(s, t, c) || c->alias != SQL_A_REF || t->small.len)
        return;
    if (sql_index_on(t, c))
        return;
    c->of->kept |= c->no_index.len > 0;
    if (!c->no_index.len)
        sql_error(s, c->pos, "PD-SQL-010",
                  pd_str_fmt(s->arena, "create index %.*s_by_%.*s on %.*s(%.*s);", PD_ARG(t->name),
                             PD_ARG(c->name), PD_ARG(t->name), PD_ARG(c->name)),
                  "foreign key \"%.*s\" has no index: deleting a row of %.*s scans this table",
                  PD_ARG(c->name), PD_ARG(c->target));
}

static void read_back(struct sql *s)
{
    for (struct sql_table *t = s->tables; t; t = t->next) {
        sqlite3_stmt *q =
            sql_ask(s, "select 1 from sqlite_schema where type = 'table' and name = ?1", t->name);
        t->exists = t->name.len && sql_next(s, q);
        sqlite3_finalize(q);
        if (!t->exists)
            continue;
        t->owner = sql_owner(s, t->name);
        read_columns(s, t);
        read_indexes(s, t);
    }
}

void sql_schema_read(struct sql *s)
{
    unsigned before = s->g->errors;
    for (struct sql_module *m = s->modules; m; m = m->next)
        read_module(s, m);
    if (s->g->errors != before)
        return;
    read_back(s);
    sql_views_read(s);
    for (struct sql_table *t = s->tables; t; t = t->next) {
        for (uint32_t i = 0; t->exists && i < t->ncolumns; i++)
            check_column(s, t, &t->columns[i]);
    }
    sql_reach(s);
}
