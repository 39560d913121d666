/* sql_lint.c - what must not be done to tables that a running program uses.
 *
 * While a migration runs, and for a while behind it, the program before it is still there. Two
 * things can hurt it: a lock that is held while a large table is read or written (PostgreSQL: all
 * requests wait), and a schema that it does not know (a column that is gone, one that must be
 * given). The list of such operations is that of strong_migrations, squawk and atlas together;
 * docs/how-to/migrations.md has it with the safe form of each.
 *
 * A table made by the same file is used by nobody, and free of all of it; one marked "small" is
 * free of what only takes long. `-- unsafe ok: why` above a statement is the author's word that it
 * is safe here. Statements for SQLite only have no running program beside them: SQLite is migrated
 * by the process that has its file.
 *
 * A file that makes and drops indexes only needs no lock: PostgreSQL does it outside of a
 * transaction (sql_expand_alone). In any other file an index is built under one.
 *
 * A file has one phase: expand (the default: what is new), backfill (rows only) or contract (what
 * nobody uses any more). `-- phase: contract` says that a release went out in between.
 */
#include "gen/sql_lint.h"

#include <stdio.h>

static const char *const phases[] = { "", "expand", "backfill", "contract" };

/* --- looking ------------------------------------------------------------------------------- */

const struct sql_token *lint_at(const struct lint *l, uint32_t i)
{
    static const struct sql_token none = { .kind = SQL_COMMENT };
    return i < l->n ? &l->t->at[i] : &none;
}

bool lint_is(const struct lint *l, uint32_t i, const char *words)
{
    return sql_is_any(lint_at(l, i), words);
}

bool lint_are(const struct lint *l, uint32_t i, const char *a, const char *b)
{
    return lint_is(l, i, a) && lint_is(l, i + 1, b);
}

uint32_t lint_find(const struct lint *l, uint32_t i, const char *words)
{
    for (; i < l->n; i++) {
        if (lint_is(l, i, words))
            return i;
        if (lint_is(l, i, "(") && l->t->at[i].match > i)
            i = l->t->at[i].match;
    }
    return l->n;
}

uint32_t lint_skip(const struct lint *l, uint32_t i)
{
    while (lint_is(l, i, "if not exists only concurrently"))
        i++;
    return i;
}

pd_str lint_name_at(const struct lint *l, uint32_t i)
{
    if (lint_is(l, i + 1, "."))
        i += 2; /* a schema in front */
    return i < l->n ? sql_unquote(l->s, lint_at(l, i)) : PD_STR("");
}

bool lint_lists(const struct sql_names *list, pd_str name)
{
    for (; list; list = list->next)
        if (pd_str_eq_nocase(list->name, name))
            return true;
    return false;
}

void lint_note(struct lint *l, struct sql_names **list, pd_str name)
{
    struct sql_names *n = pd_arena_new(l->s->arena, struct sql_names);
    *n = (struct sql_names){ name, *list };
    *list = n;
}

bool lint_is_new(const struct lint *l, pd_str table)
{
    return lint_lists(l->file->tables, table);
}

/* New ones, and those that are soon done with. */
static bool is_quick(const struct lint *l, pd_str table)
{
    struct sql_table *t = sql_table_find(l->s, table);
    return lint_is_new(l, table) || (t && t->small.len);
}

/* --- refusing ------------------------------------------------------------------------------ */

void lint_refuse(struct lint *l, uint32_t i, const char *code, const char *remedy, const char *fmt,
                 ...)
{
    va_list args;
    if (l->refused || l->file->unsafe_ok.len)
        return;
    l->refused = true;
    char text[400];
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sql_error(l->s, sql_token_pos((struct sql_pos){ l->file->path, 1, 1 }, l->t, i), code,
              pd_str_c(remedy), "%s", text);
}

void lint_locks(struct lint *l, uint32_t i, pd_str table, const char *code, const char *what,
                const char *remedy)
{
    if (l->postgres && !is_quick(l, table))
        lint_refuse(l, i, code, remedy, "%s \"%.*s\"", what, PD_ARG(table));
}

void lint_breaks(struct lint *l, uint32_t i, pd_str table, const char *code, const char *what,
                 const char *remedy)
{
    if (!lint_is_new(l, table))
        lint_refuse(l, i, code, remedy, "%s", what);
}

void lint_belongs(struct lint *l, uint32_t i, enum lint_kind kind)
{
    enum lint_kind phase = (enum lint_kind)l->file->phase;
    if (phase && kind != phase)
        lint_refuse(l, i, "PD-SQL-089", "one phase per file: put it into a migration of its own",
                    "this belongs to the phase %s, but the file is for %s", phases[kind],
                    phases[phase]);
}

void lint_contracts(struct lint *l, uint32_t i, pd_str table, const char *what)
{
    if (lint_is_new(l, table))
        return;
    if (!l->file->phase)
        lint_refuse(
            l, i, "PD-SQL-080",
            "once a release that does not use it is everywhere, do it in a file of its own that "
            "begins with `-- phase: contract`",
            "%s: the program that runs still uses it", what);
    lint_belongs(l, i, LINT_CONTRACT);
}

/* --- indexes ------------------------------------------------------------------------------- */

#define ALONE "put it into a migration of its own: PostgreSQL then builds it beside writers"

/* Over rows that are there already a promise may turn out to be broken. Of a column that the same
 * file adds all rows are null, so that they do not collide. */
static void unique_index(struct lint *l, uint32_t on, pd_str table)
{
    uint32_t open = lint_find(l, on, "(");
    for (uint32_t i = open; i < l->n && i < l->t->at[open].match; i++)
        if (lint_lists(l->file->columns, lint_name_at(l, i)))
            return;
    if (!lint_is_new(l, table))
        lint_refuse(
            l, on, "PD-SQL-091",
            "look for rows that are equal in it, then write `-- unsafe ok: ` and why there are "
            "none above it",
            "the rows of \"%.*s\" decide whether this can be done", PD_ARG(table));
}

static void create_index(struct lint *l, bool unique)
{
    uint32_t i = 1 + unique, on = lint_find(l, i, "on");
    pd_str table = lint_name_at(l, lint_skip(l, on + 1));
    lint_belongs(l, i, LINT_EXPAND);
    if (lint_is(l, i + 1, "concurrently"))
        lint_refuse(l, i + 1, "PD-SQL-090", ALONE,
                    "\"concurrently\" is no SQL that both engines have");
    if (!l->file->alone)
        lint_locks(l, i, table, "PD-SQL-086", "nobody can write while this index is built for",
                   ALONE);
    if (unique)
        unique_index(l, on, table);
}

static void drop_index(struct lint *l)
{
    pd_str name = lint_name_at(l, lint_skip(l, 2));
    for (const struct sql_made *m = l->s->made; m; m = m->next)
        if (pd_str_eq_nocase(m->name, name) && pd_str_eq(m->pos.file, l->file->path))
            return; /* made by the same file */
    if (lint_is(l, 2, "concurrently"))
        lint_refuse(l, 2, "PD-SQL-090", ALONE, "\"concurrently\" is no SQL that both engines have");
    if (l->postgres && !l->file->alone)
        lint_refuse(l, 0, "PD-SQL-086", ALONE,
                    "nobody can use its table while this index is dropped");
}

/* --- rows ---------------------------------------------------------------------------------- */

static void backfill(struct lint *l, uint32_t i, pd_str table)
{
    if (is_quick(l, table))
        return;
    if (!l->file->phase)
        lint_refuse(
            l, i, "PD-SQL-088",
            "fill large tables in batches, by a command; or put it into a file of its own that "
            "begins with `-- phase: backfill`",
            "rows of \"%.*s\" change in one transaction with what locks tables", PD_ARG(table));
    lint_belongs(l, i, LINT_BACKFILL);
}

static void rows(struct lint *l)
{
    uint32_t i = lint_is(l, 0, "with") ? lint_find(l, 0, "insert update delete replace") : 0;
    uint32_t to = i + 1;
    if (lint_is(l, i, "delete") || lint_is(l, i, "insert") || lint_is(l, i, "replace"))
        to = i + 2;
    if (lint_are(l, i + 1, "or", "replace ignore abort fail rollback"))
        to += 2;
    bool copies = lint_is(l, i, "insert replace") && lint_find(l, i, "select") < l->n;
    if (lint_is(l, i, "update delete") || copies)
        backfill(l, i, lint_name_at(l, lint_skip(l, to)));
}

/* --- the rest ------------------------------------------------------------------------------ */

static void drop(struct lint *l)
{
    pd_str name = lint_name_at(l, lint_skip(l, 2));
    if (lint_is(l, 1, "index"))
        drop_index(l);
    else if (lint_is(l, 1, "table materialized"))
        lint_contracts(l, 1, name, "removes a table");
    else if (lint_is(l, 1, "database schema owned"))
        lint_refuse(l, 1, "PD-SQL-080",
                    "drop the tables one by one, in a file for the phase contract",
                    "this removes what others may have there");
}

static void create(struct lint *l)
{
    bool unique = lint_is(l, 1, "unique");
    if (lint_is(l, 1, "table")) {
        lint_note(l, &l->file->tables, lint_name_at(l, lint_skip(l, 2)));
        lint_belongs(l, 0, LINT_EXPAND);
    } else if (lint_is(l, 1 + unique, "index")) {
        create_index(l, unique);
    } else if (lint_is(l, 1, "domain") && lint_find(l, 2, "check constraint") < l->n &&
               l->postgres) {
        lint_refuse(l, lint_find(l, 2, "check constraint"), "PD-SQL-085",
                    "put the check at the column",
                    "a domain with a check locks all tables that use it when it changes");
    }
}

static void names_fit(struct lint *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        enum sql_kind kind = lint_at(l, i)->kind;
        if ((kind == SQL_WORD || kind == SQL_QUOTED) && sql_unquote(l->s, lint_at(l, i)).len > 63)
            lint_refuse(l, i, "PD-SQL-092", "at most 63 bytes",
                        "PostgreSQL cuts this name off, and may then find it taken");
    }
}

bool sql_lint(struct sql *s, struct sql_lint *file, const struct sql_tokens *t,
              enum sql_engine engine)
{
    struct lint l = {
        .s = s, .file = file, .t = t, .n = t->n, .postgres = engine != SQL_ONLY_SQLITE
    };
    names_fit(&l);
    if (lint_is(&l, 0, "create"))
        create(&l);
    if (engine == SQL_ONLY_SQLITE)
        return l.refused;
    if (lint_is(&l, 0, "alter"))
        lint_alter(&l);
    else if (lint_is(&l, 0, "drop"))
        drop(&l);
    else if (lint_is(&l, 0, "truncate"))
        lint_contracts(&l, 0, lint_name_at(&l, lint_skip(&l, 1 + lint_is(&l, 1, "table"))),
                       "removes all rows");
    else if (lint_is(&l, 0, "reindex cluster"))
        lint_refuse(&l, 0, "PD-SQL-086", "by hand, outside of migrations: reindex … concurrently",
                    "nobody can write while this runs");
    else
        rows(&l);
    return l.refused;
}

bool sql_lint_is_alone(const struct sql_tokens *t)
{
    bool begins = true, any = false;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct sql_token *at = &t->at[i];
        if (at->kind == SQL_COMMENT)
            continue;
        uint32_t kind = i + 1 + (i + 2 < t->n && sql_is(at + 1, "unique"));
        if (begins &&
            (kind >= t->n || !sql_is_any(at, "create drop") || !sql_is(&t->at[kind], "index")))
            return false;
        any = true;
        begins = sql_is(at, ";");
    }
    return any;
}

/* --- what a file says of itself ------------------------------------------------------------ */

void sql_lint_phase(struct sql *s, struct sql_lint *file, struct sql_pos pos, pd_str name)
{
    for (int i = LINT_EXPAND; i <= LINT_CONTRACT; i++) {
        if (!pd_str_eq(name, pd_str_c(phases[i])))
            continue;
        if (file->phase && file->phase != i)
            sql_error(s, pos, "PD-SQL-089", PD_STR("one phase per file: make two of it"),
                      "this file is for the phase %s already", phases[file->phase]);
        file->phase = i;
        return;
    }
    sql_error(s, pos, "PD-SQL-089", PD_STR("write expand, backfill or contract"),
              "there is no phase \"%.*s\"", PD_ARG(name));
}

/* What is run without a transaction cannot keep older programs out of it (src/data/migrate.c). */
bool sql_lint_is_contract(struct sql *s, const struct sql_lint *file)
{
    if (file->phase != LINT_CONTRACT)
        return false;
    if (file->alone)
        sql_error(s, (struct sql_pos){ file->path, 1, 1 }, "PD-SQL-089",
                  PD_STR("leave the phase out: no statement names an index"),
                  "indexes belong to no phase contract: no program has to be gone first");
    return true;
}
