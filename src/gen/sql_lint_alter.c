/* sql_lint_alter.c - ALTER TABLE, its columns and constraints, and what else is altered (see
 * sql_lint.c). */
#include "gen/sql_lint.h"

/* --- columns ------------------------------------------------------------------------------- */

#define SPLIT_CHECK                                                                                \
    "for PostgreSQL: first without it, then `alter table … add constraint … not valid`, and "  \
    "`validate constraint` in the next migration"

static bool is_volatile(const struct lint *l, uint32_t from)
{
    for (uint32_t i = from; i + 1 < l->n; i++)
        if (lint_is(l, i,
                    "random gen_random_uuid uuid_generate_v1 uuid_generate_v4 nextval "
                    "clock_timestamp timeofday randomblob") &&
            lint_is(l, i + 1, "("))
            return true;
    return false;
}

static bool has_default(const struct lint *l, uint32_t from)
{
    uint32_t i = lint_find(l, from, "default");
    return i < l->n && !lint_is(l, i + 1, "null");
}

static uint32_t find_pair(const struct lint *l, uint32_t i, const char *a, const char *b)
{
    while ((i = lint_find(l, i, a)) < l->n && !lint_is(l, i + 1, b))
        i++;
    return i;
}

/* `i` is the column's name. */
static void add_column(struct lint *l, uint32_t i)
{
    pd_str table = l->table_name;
    uint32_t rest = i + 2, x;
    lint_note(l, &l->file->columns, lint_name_at(l, i));
    lint_belongs(l, i, LINT_EXPAND);
    if (lint_is(l, i + 1, "id") || lint_find(l, rest, "identity") < l->n)
        lint_locks(l, i + 1, table, "PD-SQL-082", "a column that counts by itself rewrites table",
                   "make a new table, or add an int that may be null and fill it in batches");
    if (find_pair(l, rest, "generated", "always") < l->n && lint_find(l, rest, "virtual") == l->n)
        lint_locks(l, lint_find(l, rest, "generated"), table, "PD-SQL-082",
                   "a computed column rewrites table",
                   "compute it in the statements, or add a plain column and fill it in batches");
    if (find_pair(l, rest, "not", "null") < l->n && !has_default(l, rest))
        lint_breaks(l, find_pair(l, rest, "not", "null"), table, "PD-SQL-083",
                    "a new column that must be given: the program that runs does not know it",
                    "leave out not null, or give it a default");
    if ((x = lint_find(l, rest, "default")) < l->n && is_volatile(l, x))
        lint_locks(l, x, table, "PD-SQL-082",
                   "a default that differs from row to row rewrites table",
                   "add it without default, and fill it in batches");
    if ((x = lint_find(l, rest, "unique primary")) < l->n)
        lint_locks(l, x, table, "PD-SQL-086", "a unique column builds its index while it locks",
                   "add the column, and the unique index in the next migration");
    if ((x = lint_find(l, rest, "check")) < l->n)
        lint_locks(l, x, table, "PD-SQL-085",
                   "a check of a new column reads all of the locked table", SPLIT_CHECK);
    if (lint_is(l, i + 1, "ref") && has_default(l, rest))
        lint_locks(l, i + 1, table, "PD-SQL-085",
                   "a reference with a default is checked in all rows of the locked table",
                   "add it without default, and fill it in batches");
}

/* Is there a validated check that the column is not null? */
static bool proven_not_null(const struct lint *l, pd_str column)
{
    for (const struct sql_check *c = l->s->checks; c; c = c->next)
        if (c->valid && pd_str_eq_nocase(c->table, l->table_name) &&
            pd_str_eq_nocase(c->not_null, column))
            return true;
    return false;
}

/* Of the schema before the statement: not null, and no default. */
static bool must_be_given(const struct lint *l, pd_str column)
{
    sqlite3_stmt *q =
        sql_ask(l->s,
                "select 1 from pragma_table_xinfo(?1) where name = ?2 collate nocase and "
                "\"notnull\" and dflt_value is null and not pk",
                l->table_name);
    sqlite3_bind_text(q, 2, column.ptr, (int)column.len, SQLITE_STATIC);
    bool must = sql_next(l->s, q);
    sqlite3_finalize(q);
    for (const struct sql_eased *e = l->s->eased; e; e = e->next)
        if (pd_str_eq_nocase(e->table, l->table_name) && pd_str_eq_nocase(e->column, column))
            must &= pd_str_eq(e->path, l->file->path); /* earlier than here it helps */
    return must;
}

/* SQLite has no statement for that, so the schema does not tell. */
static void ease(struct lint *l, pd_str column)
{
    struct sql_eased *e = pd_arena_new(l->s->arena, struct sql_eased);
    *e = (struct sql_eased){ l->table_name, column, l->file->path, l->s->eased };
    l->s->eased = e;
}

/* `i` is the column's name. The program that knows the migration does not give the column any more,
 * and starts before it. */
static void drop_column(struct lint *l, uint32_t i)
{
    pd_str column = lint_name_at(l, i);
    lint_contracts(l, i, l->table_name, "removes a column");
    if (!lint_is_new(l, l->table_name) && must_be_given(l, column))
        lint_refuse(l, i, "PD-SQL-093",
                    "first, in a migration before it: `-- postgres:` `alter table … alter column … "
                    "set default …`",
                    "until \"%.*s\" is removed the new program must give it, but does not know it",
                    PD_ARG(column));
}

/* `i` is the column's name. */
static void alter_column(struct lint *l, uint32_t i)
{
    uint32_t v = i + 1;
    if (lint_are(l, v, "set", "default") || lint_are(l, v, "drop", "not"))
        ease(l, lint_name_at(l, i));
    if (lint_is(l, v, "type") || lint_are(l, v, "set", "data"))
        lint_locks(
            l, v, l->table_name, "PD-SQL-082", "another type rewrites table",
            "add a column of that type, write both, fill it in batches, read the new one, then "
            "drop the old one in a later release");
    else if (lint_are(l, v, "set", "not") && !proven_not_null(l, lint_name_at(l, i)))
        lint_locks(
            l, v, l->table_name, "PD-SQL-084", "not null is looked for in all of the locked table",
            "first `add constraint … check (… is not null) not valid`, in the next migration "
            "`validate constraint`, then this");
    else if (lint_are(l, v, "drop", "not"))
        lint_contracts(l, v, l->table_name, "may be null from now on");
    else if (lint_are(l, v, "add", "generated"))
        lint_locks(l, v, l->table_name, "PD-SQL-082", "counting up locks table",
                   "make a new table, and copy the rows in batches");
}

/* --- constraints --------------------------------------------------------------------------- */

/* "check (x is not null)" at i: x. */
static pd_str not_null_of(const struct lint *l, uint32_t i)
{
    bool plain = lint_is(l, i, "check") && lint_is(l, i + 1, "(") && lint_is(l, i + 3, "is") &&
                 lint_is(l, i + 4, "not") && lint_is(l, i + 5, "null") && lint_is(l, i + 6, ")");
    return plain ? lint_name_at(l, i + 2) : PD_STR("");
}

static void note_check(struct lint *l, pd_str name, uint32_t i, bool valid)
{
    struct sql_check *c = pd_arena_new(l->s->arena, struct sql_check);
    *c = (struct sql_check){ .table = l->table_name,
                             .name = name,
                             .not_null = not_null_of(l, i),
                             .path = l->file->path,
                             .valid = valid,
                             .next = l->s->checks };
    l->s->checks = c;
}

/* `i` is behind ADD. */
static void add_constraint(struct lint *l, uint32_t i)
{
    pd_str name = lint_is(l, i, "constraint") ? lint_name_at(l, i + 1) : PD_STR("");
    i += lint_is(l, i, "constraint") ? 2 : 0;
    bool later = find_pair(l, i, "not", "valid") < l->n;
    lint_belongs(l, i, LINT_EXPAND);
    note_check(l, name, i, !later);
    if (lint_is(l, i, "exclude"))
        lint_locks(l, i, l->table_name, "PD-SQL-087", "nothing but a lock can exclude rows of",
                   "there is no safe way: make a new table with it, and copy the rows in batches");
    else if (lint_is(l, i, "unique primary") && find_pair(l, i, "using", "index") == l->n)
        lint_locks(l, i, l->table_name, "PD-SQL-086", "this builds an index while it locks",
                   "make a unique index in a migration of its own, and in the next one `add "
                   "constraint … unique using index …`");
    else if (lint_is(l, i, "foreign check") && !later)
        lint_locks(l, i, l->table_name, "PD-SQL-085",
                   "this is checked in all rows of the locked table",
                   "put `not valid` behind it, and `validate constraint` into the next migration");
}

/* `i` is the constraint's name. */
static void validate(struct lint *l, uint32_t i)
{
    pd_str name = lint_name_at(l, i);
    for (struct sql_check *c = l->s->checks; c; c = c->next) {
        if (!pd_str_eq_nocase(c->name, name) || !pd_str_eq_nocase(c->table, l->table_name))
            continue;
        if (pd_str_eq(c->path, l->file->path))
            lint_locks(l, i, l->table_name, "PD-SQL-085",
                       "the file still has the lock of what it added to",
                       "validate it in the next migration");
        c->valid = true;
    }
}

/* --- alter table --------------------------------------------------------------------------- */

static void renames(struct lint *l, uint32_t i, pd_str table, const char *what)
{
    if (!lint_is_new(l, table))
        lint_refuse(
            l, i, "PD-SQL-081",
            "add the new one, write both, fill it in batches, read the new one, and drop the old "
            "one in a later release",
            "a new name for %s: the program that runs knows the old one", what);
}

/* One action of it, at i … l->n. */
static void action(struct lint *l, uint32_t i)
{
    if (lint_is(l, i, "rename")) {
        renames(l, i, l->table_name, lint_is(l, i + 1, "to") ? "a table" : "a column");
    } else if (lint_are(l, i, "set", "schema")) {
        renames(l, i, l->table_name, "a table");
    } else if (lint_is(l, i, "add") &&
               lint_is(l, i + 1, "constraint check foreign unique primary exclude")) {
        add_constraint(l, i + 1);
    } else if (lint_is(l, i, "add")) {
        add_column(l, lint_skip(l, i + 1 + lint_is(l, i + 1, "column")));
    } else if (lint_are(l, i, "drop", "constraint")) {
        return;
    } else if (lint_is(l, i, "drop")) {
        drop_column(l, lint_skip(l, i + 1 + lint_is(l, i + 1, "column")));
    } else if (lint_is(l, i, "alter")) {
        alter_column(l, i + 1 + lint_is(l, i + 1, "column"));
    } else if (lint_are(l, i, "validate", "constraint")) {
        validate(l, i + 2);
    } else if (lint_are(l, i, "detach", "partition") && lint_find(l, i, "concurrently") == l->n) {
        lint_locks(l, i, l->table_name, "PD-SQL-086", "a partition is taken off while this locks",
                   "by hand, outside of migrations: detach partition … concurrently");
    } else if (lint_is(l, i, "set") && lint_is(l, i + 1, "logged unlogged tablespace access")) {
        lint_locks(l, i, l->table_name, "PD-SQL-082", "this rewrites table",
                   "make a new table, and copy the rows in batches");
    }
}

static void alter_table(struct lint *l)
{
    uint32_t i = lint_skip(l, 2), all = l->n;
    l->table_name = lint_name_at(l, i);
    i += lint_is(l, i + 1, ".") ? 3 : 1;
    while (i < all) {
        l->n = all;
        l->n = lint_find(l, i, ",");
        action(l, i);
        i = l->n + 1;
    }
    l->n = all;
}

static void alter_other(struct lint *l)
{
    if (lint_is(l, 1, "type") && find_pair(l, 2, "rename", "value") < l->n)
        renames(l, 1, PD_STR(""), "a value");
    else if (lint_is(l, 1, "schema index view sequence type domain") &&
             find_pair(l, 2, "rename", "to") < l->n)
        renames(l, 1, PD_STR(""), "something in use");
    else if (lint_is(l, 1, "domain") && lint_find(l, 2, "add") < l->n &&
             find_pair(l, 2, "not", "valid") == l->n && l->postgres)
        lint_refuse(l, lint_find(l, 2, "add"), "PD-SQL-085",
                    "put `not valid` behind it, and `validate constraint` into the next migration",
                    "this is checked in all tables that use the domain");
}

void lint_alter(struct lint *l)
{
    if (lint_is(l, 1, "table"))
        alter_table(l);
    else
        alter_other(l);
}
