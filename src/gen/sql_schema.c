/* sql_schema.c - runs the migrations.
 *
 * Those of each module run in order in the scratch SQLite, one statement at a time, so that an
 * error has a place. What they made is then read back (sql_tables.c).
 *
 * One lint is here: a module keeps to its own tables.
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

void sql_schema_read(struct sql *s)
{
    unsigned before = s->g->errors;
    for (struct sql_module *m = s->modules; m; m = m->next)
        read_module(s, m);
    if (s->g->errors != before)
        return;
    sql_tables_read(s);
    sql_reach(s);
}
