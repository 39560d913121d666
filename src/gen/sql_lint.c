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
#include "gen/sql.h"

#include <stdio.h>

enum kind { NEUTRAL, EXPAND, BACKFILL, CONTRACT };

struct lint { /* one statement of a file */
    struct sql *s;
    struct sql_lint *file;
    const struct sql_tokens *t;
    uint32_t n;        /* tokens in the part that is looked at */
    bool postgres;     /* it runs there */
    bool refused;      /* already: one finding per statement is enough */
    pd_str table_name; /* of ALTER TABLE */
};

static const char *const phases[] = { "", "expand", "backfill", "contract" };

/* --- looking ------------------------------------------------------------------------------- */

static const struct sql_token *at(const struct lint *l, uint32_t i)
{
    static const struct sql_token none = { .kind = SQL_COMMENT };
    return i < l->n ? &l->t->at[i] : &none;
}

static bool is(const struct lint *l, uint32_t i, const char *words)
{
    return sql_is_any(at(l, i), words);
}

/* Two words that follow each other. */
static bool are(const struct lint *l, uint32_t i, const char *a, const char *b)
{
    return is(l, i, a) && is(l, i + 1, b);
}

/* The first of the words in [i, n), outside of parentheses; n if there is none. */
static uint32_t find(const struct lint *l, uint32_t i, const char *words)
{
    for (; i < l->n; i++) {
        if (is(l, i, words))
            return i;
        if (is(l, i, "(") && l->t->at[i].match > i)
            i = l->t->at[i].match;
    }
    return l->n;
}

/* Behind "if not exists", "if exists", "only", "concurrently". */
static uint32_t skip(const struct lint *l, uint32_t i)
{
    while (is(l, i, "if not exists only concurrently"))
        i++;
    return i;
}

static pd_str name_at(const struct lint *l, uint32_t i)
{
    if (is(l, i + 1, "."))
        i += 2; /* a schema in front */
    return i < l->n ? sql_unquote(l->s, at(l, i)) : PD_STR("");
}

static bool in_list(const struct sql_names *list, pd_str name)
{
    for (; list; list = list->next)
        if (pd_str_eq_nocase(list->name, name))
            return true;
    return false;
}

static void add_to_list(struct lint *l, struct sql_names **list, pd_str name)
{
    struct sql_names *n = pd_arena_new(l->s->arena, struct sql_names);
    *n = (struct sql_names){ name, *list };
    *list = n;
}

static bool is_new(const struct lint *l, pd_str table)
{
    return in_list(l->file->tables, table);
}

/* New ones, and those that are soon done with. */
static bool is_quick(const struct lint *l, pd_str table)
{
    struct sql_table *t = sql_table_find(l->s, table);
    return is_new(l, table) || (t && t->small.len);
}

/* --- refusing ------------------------------------------------------------------------------ */

static void refuse(struct lint *l, uint32_t i, const char *code, const char *remedy,
                   const char *fmt, ...) PD_PRINTF(5, 6);
static void refuse(struct lint *l, uint32_t i, const char *code, const char *remedy,
                   const char *fmt, ...)
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

/* What locks a table for as long as it takes to read it. */
static void locks(struct lint *l, uint32_t i, pd_str table, const char *code, const char *what,
                  const char *remedy)
{
    if (l->postgres && !is_quick(l, table))
        refuse(l, i, code, remedy, "%s \"%.*s\"", what, PD_ARG(table));
}

/* What the program that still runs does not expect. */
static void breaks(struct lint *l, uint32_t i, pd_str table, const char *code, const char *what,
                   const char *remedy)
{
    if (!is_new(l, table))
        refuse(l, i, code, remedy, "%s", what);
}

/* A statement has a kind, its file a phase. */
static void belongs(struct lint *l, uint32_t i, enum kind kind)
{
    enum kind phase = (enum kind)l->file->phase;
    if (phase && kind != phase)
        refuse(l, i, "PD-SQL-089", "one phase per file: put it into a migration of its own",
               "this belongs to the phase %s, but the file is for %s", phases[kind], phases[phase]);
}

static void contracts(struct lint *l, uint32_t i, pd_str table, const char *what)
{
    if (is_new(l, table))
        return;
    if (!l->file->phase)
        refuse(l, i, "PD-SQL-080",
               "once a release that does not use it is everywhere, do it in a file of its own that "
               "begins with `-- phase: contract`",
               "%s: the program that runs still uses it", what);
    belongs(l, i, CONTRACT);
}

/* --- columns ------------------------------------------------------------------------------- */

#define SPLIT_CHECK                                                                                \
    "for PostgreSQL: first without it, then `alter table … add constraint … not valid`, and "  \
    "`validate constraint` in the next migration"

static bool is_volatile(const struct lint *l, uint32_t from)
{
    for (uint32_t i = from; i + 1 < l->n; i++)
        if (is(l, i,
               "random gen_random_uuid uuid_generate_v1 uuid_generate_v4 nextval "
               "clock_timestamp timeofday randomblob") &&
            is(l, i + 1, "("))
            return true;
    return false;
}

static bool has_default(const struct lint *l, uint32_t from)
{
    uint32_t i = find(l, from, "default");
    return i < l->n && !is(l, i + 1, "null");
}

static uint32_t find_pair(const struct lint *l, uint32_t i, const char *a, const char *b)
{
    while ((i = find(l, i, a)) < l->n && !is(l, i + 1, b))
        i++;
    return i;
}

/* `i` is the column's name. */
static void add_column(struct lint *l, uint32_t i)
{
    pd_str table = l->table_name;
    uint32_t rest = i + 2, x;
    add_to_list(l, &l->file->columns, name_at(l, i));
    belongs(l, i, EXPAND);
    if (is(l, i + 1, "id") || find(l, rest, "identity") < l->n)
        locks(l, i + 1, table, "PD-SQL-082", "a column that counts by itself rewrites table",
              "make a new table, or add an int that may be null and fill it in batches");
    if (find_pair(l, rest, "generated", "always") < l->n && find(l, rest, "virtual") == l->n)
        locks(l, find(l, rest, "generated"), table, "PD-SQL-082",
              "a computed column rewrites table",
              "compute it in the statements, or add a plain column and fill it in batches");
    if (find_pair(l, rest, "not", "null") < l->n && !has_default(l, rest))
        breaks(l, find_pair(l, rest, "not", "null"), table, "PD-SQL-083",
               "a new column that must be given: the program that runs does not know it",
               "leave out not null, or give it a default");
    if ((x = find(l, rest, "default")) < l->n && is_volatile(l, x))
        locks(l, x, table, "PD-SQL-082", "a default that differs from row to row rewrites table",
              "add it without default, and fill it in batches");
    if ((x = find(l, rest, "unique primary")) < l->n)
        locks(l, x, table, "PD-SQL-086", "a unique column builds its index while it locks",
              "add the column, and the unique index in the next migration");
    if ((x = find(l, rest, "check")) < l->n)
        locks(l, x, table, "PD-SQL-085", "a check of a new column reads all of the locked table",
              SPLIT_CHECK);
    if (is(l, i + 1, "ref") && has_default(l, rest))
        locks(l, i + 1, table, "PD-SQL-085",
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

/* `i` is the column's name. */
static void alter_column(struct lint *l, uint32_t i)
{
    uint32_t v = i + 1;
    if (is(l, v, "type") || are(l, v, "set", "data"))
        locks(l, v, l->table_name, "PD-SQL-082", "another type rewrites table",
              "add a column of that type, write both, fill it in batches, read the new one, then "
              "drop the old one in a later release");
    else if (are(l, v, "set", "not") && !proven_not_null(l, name_at(l, i)))
        locks(l, v, l->table_name, "PD-SQL-084",
              "not null is looked for in all of the locked table",
              "first `add constraint … check (… is not null) not valid`, in the next migration "
              "`validate constraint`, then this");
    else if (are(l, v, "drop", "not"))
        contracts(l, v, l->table_name, "may be null from now on");
    else if (are(l, v, "add", "generated"))
        locks(l, v, l->table_name, "PD-SQL-082", "counting up locks table",
              "make a new table, and copy the rows in batches");
}

/* --- constraints --------------------------------------------------------------------------- */

/* "check (x is not null)" at i: x. */
static pd_str not_null_of(const struct lint *l, uint32_t i)
{
    bool plain = is(l, i, "check") && is(l, i + 1, "(") && is(l, i + 3, "is") &&
                 is(l, i + 4, "not") && is(l, i + 5, "null") && is(l, i + 6, ")");
    return plain ? name_at(l, i + 2) : PD_STR("");
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
    pd_str name = is(l, i, "constraint") ? name_at(l, i + 1) : PD_STR("");
    i += is(l, i, "constraint") ? 2 : 0;
    bool later = find_pair(l, i, "not", "valid") < l->n;
    belongs(l, i, EXPAND);
    note_check(l, name, i, !later);
    if (is(l, i, "exclude"))
        locks(l, i, l->table_name, "PD-SQL-087", "nothing but a lock can exclude rows of",
              "there is no safe way: make a new table with it, and copy the rows in batches");
    else if (is(l, i, "unique primary") && find_pair(l, i, "using", "index") == l->n)
        locks(l, i, l->table_name, "PD-SQL-086", "this builds an index while it locks",
              "make a unique index in a migration of its own, and in the next one `add "
              "constraint … unique using index …`");
    else if (is(l, i, "foreign check") && !later)
        locks(l, i, l->table_name, "PD-SQL-085", "this is checked in all rows of the locked table",
              "put `not valid` behind it, and `validate constraint` into the next migration");
}

/* `i` is the constraint's name. */
static void validate(struct lint *l, uint32_t i)
{
    pd_str name = name_at(l, i);
    for (struct sql_check *c = l->s->checks; c; c = c->next) {
        if (!pd_str_eq_nocase(c->name, name) || !pd_str_eq_nocase(c->table, l->table_name))
            continue;
        if (pd_str_eq(c->path, l->file->path))
            locks(l, i, l->table_name, "PD-SQL-085",
                  "the file still has the lock of what it added to",
                  "validate it in the next migration");
        c->valid = true;
    }
}

/* --- alter table --------------------------------------------------------------------------- */

static void renames(struct lint *l, uint32_t i, pd_str table, const char *what)
{
    if (!is_new(l, table))
        refuse(
            l, i, "PD-SQL-081",
            "add the new one, write both, fill it in batches, read the new one, and drop the old "
            "one in a later release",
            "a new name for %s: the program that runs knows the old one", what);
}

/* One action of it, at i … l->n. */
static void action(struct lint *l, uint32_t i)
{
    if (is(l, i, "rename")) {
        renames(l, i, l->table_name, is(l, i + 1, "to") ? "a table" : "a column");
    } else if (are(l, i, "set", "schema")) {
        renames(l, i, l->table_name, "a table");
    } else if (is(l, i, "add") && is(l, i + 1, "constraint check foreign unique primary exclude")) {
        add_constraint(l, i + 1);
    } else if (is(l, i, "add")) {
        add_column(l, skip(l, i + 1 + is(l, i + 1, "column")));
    } else if (are(l, i, "drop", "constraint")) {
        return;
    } else if (is(l, i, "drop")) {
        contracts(l, i, l->table_name, "removes a column");
    } else if (is(l, i, "alter")) {
        alter_column(l, i + 1 + is(l, i + 1, "column"));
    } else if (are(l, i, "validate", "constraint")) {
        validate(l, i + 2);
    } else if (are(l, i, "detach", "partition") && find(l, i, "concurrently") == l->n) {
        locks(l, i, l->table_name, "PD-SQL-086", "a partition is taken off while this locks",
              "by hand, outside of migrations: detach partition … concurrently");
    } else if (is(l, i, "set") && is(l, i + 1, "logged unlogged tablespace access")) {
        locks(l, i, l->table_name, "PD-SQL-082", "this rewrites table",
              "make a new table, and copy the rows in batches");
    }
}

static void alter_table(struct lint *l)
{
    uint32_t i = skip(l, 2), all = l->n;
    l->table_name = name_at(l, i);
    i += is(l, i + 1, ".") ? 3 : 1;
    while (i < all) {
        l->n = all;
        l->n = find(l, i, ",");
        action(l, i);
        i = l->n + 1;
    }
    l->n = all;
}

/* --- indexes ------------------------------------------------------------------------------- */

#define ALONE "put it into a migration of its own: PostgreSQL then builds it beside writers"

/* Over rows that are there already a promise may turn out to be broken. Of a column that the same
 * file adds all rows are null, so that they do not collide. */
static void unique_index(struct lint *l, uint32_t on, pd_str table)
{
    uint32_t open = find(l, on, "(");
    for (uint32_t i = open; i < l->n && i < l->t->at[open].match; i++)
        if (in_list(l->file->columns, name_at(l, i)))
            return;
    if (!is_new(l, table))
        refuse(l, on, "PD-SQL-091",
               "look for rows that are equal in it, then write `-- unsafe ok: ` and why there are "
               "none above it",
               "the rows of \"%.*s\" decide whether this can be done", PD_ARG(table));
}

static void create_index(struct lint *l, bool unique)
{
    uint32_t i = 1 + unique, on = find(l, i, "on");
    pd_str table = name_at(l, skip(l, on + 1));
    belongs(l, i, EXPAND);
    if (is(l, i + 1, "concurrently"))
        refuse(l, i + 1, "PD-SQL-090", ALONE, "\"concurrently\" is no SQL that both engines have");
    if (!l->file->alone)
        locks(l, i, table, "PD-SQL-086", "nobody can write while this index is built for", ALONE);
    if (unique)
        unique_index(l, on, table);
}

static void drop_index(struct lint *l)
{
    pd_str name = name_at(l, skip(l, 2));
    for (const struct sql_made *m = l->s->made; m; m = m->next)
        if (pd_str_eq_nocase(m->name, name) && pd_str_eq(m->pos.file, l->file->path))
            return; /* made by the same file */
    if (is(l, 2, "concurrently"))
        refuse(l, 2, "PD-SQL-090", ALONE, "\"concurrently\" is no SQL that both engines have");
    if (l->postgres && !l->file->alone)
        refuse(l, 0, "PD-SQL-086", ALONE, "nobody can use its table while this index is dropped");
}

/* --- rows ---------------------------------------------------------------------------------- */

static void backfill(struct lint *l, uint32_t i, pd_str table)
{
    if (is_quick(l, table))
        return;
    if (!l->file->phase)
        refuse(l, i, "PD-SQL-088",
               "fill large tables in batches, by a command; or put it into a file of its own that "
               "begins with `-- phase: backfill`",
               "rows of \"%.*s\" change in one transaction with what locks tables", PD_ARG(table));
    belongs(l, i, BACKFILL);
}

static void rows(struct lint *l)
{
    uint32_t i = is(l, 0, "with") ? find(l, 0, "insert update delete replace") : 0;
    uint32_t to = i + 1;
    if (is(l, i, "delete") || is(l, i, "insert") || is(l, i, "replace"))
        to = i + 2;
    if (are(l, i + 1, "or", "replace ignore abort fail rollback"))
        to += 2;
    bool copies = is(l, i, "insert replace") && find(l, i, "select") < l->n;
    if (is(l, i, "update delete") || copies)
        backfill(l, i, name_at(l, skip(l, to)));
}

/* --- the rest ------------------------------------------------------------------------------ */

static void drop(struct lint *l)
{
    pd_str name = name_at(l, skip(l, 2));
    if (is(l, 1, "index"))
        drop_index(l);
    else if (is(l, 1, "table materialized"))
        contracts(l, 1, name, "removes a table");
    else if (is(l, 1, "database schema owned"))
        refuse(l, 1, "PD-SQL-080", "drop the tables one by one, in a file for the phase contract",
               "this removes what others may have there");
}

static void alter_other(struct lint *l)
{
    if (is(l, 1, "type") && find_pair(l, 2, "rename", "value") < l->n)
        renames(l, 1, PD_STR(""), "a value");
    else if (is(l, 1, "schema index view sequence type domain") &&
             find_pair(l, 2, "rename", "to") < l->n)
        renames(l, 1, PD_STR(""), "something in use");
    else if (is(l, 1, "domain") && find(l, 2, "add") < l->n &&
             find_pair(l, 2, "not", "valid") == l->n && l->postgres)
        refuse(l, find(l, 2, "add"), "PD-SQL-085",
               "put `not valid` behind it, and `validate constraint` into the next migration",
               "this is checked in all tables that use the domain");
}

static void create(struct lint *l)
{
    bool unique = is(l, 1, "unique");
    if (is(l, 1, "table")) {
        add_to_list(l, &l->file->tables, name_at(l, skip(l, 2)));
        belongs(l, 0, EXPAND);
    } else if (is(l, 1 + unique, "index")) {
        create_index(l, unique);
    } else if (is(l, 1, "domain") && find(l, 2, "check constraint") < l->n && l->postgres) {
        refuse(l, find(l, 2, "check constraint"), "PD-SQL-085", "put the check at the column",
               "a domain with a check locks all tables that use it when it changes");
    }
}

static void names_fit(struct lint *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        enum sql_kind kind = at(l, i)->kind;
        if ((kind == SQL_WORD || kind == SQL_QUOTED) && sql_unquote(l->s, at(l, i)).len > 63)
            refuse(l, i, "PD-SQL-092", "at most 63 bytes",
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
    if (is(&l, 0, "create"))
        create(&l);
    if (engine == SQL_ONLY_SQLITE)
        return l.refused;
    if (are(&l, 0, "alter", "table"))
        alter_table(&l);
    else if (is(&l, 0, "alter"))
        alter_other(&l);
    else if (is(&l, 0, "drop"))
        drop(&l);
    else if (is(&l, 0, "truncate"))
        contracts(&l, 0, name_at(&l, skip(&l, 1 + is(&l, 1, "table"))), "removes all rows");
    else if (is(&l, 0, "reindex cluster"))
        refuse(&l, 0, "PD-SQL-086", "by hand, outside of migrations: reindex … concurrently",
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
    for (int i = EXPAND; i <= CONTRACT; i++) {
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
