/* Statements in PostgreSQL's words: what they become, and what a real server says of them. (Those
 * of FinFlow and of the schemas of the index lint are shown to it in lint_test.c.) */
#include "gen_app.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- words ---------------------------------------------------------------------------------------
 */

static const struct {
    const char *written, *expected;
} words[] = {
    { "select id from shop_t where id = :id and n in (:ids[]) or n not in (:ids[])",
      "select id from shop_t where id = $1 and n = any($2) or n <> all($2)" },
    { "select id from shop_t where o is :o and n is not :n or o is null and o is not null",
      "select id from shop_t where o is not distinct from $1 and n is distinct from $2 or o is "
      "null and "
      "o is not null" },
    { "select id from shop_t where s like :s escape '\\'",
      "select id from shop_t where s ilike $1 escape '\\'" },
    { "select cast(s as integer) as \"x!\", min(n, id) as y, max(n) as \"z?\" from shop_t group by "
      "1, 2",
      "select cast(s as bigint) as x, least(n, id) as y, max(n) as z from shop_t group by 1, 2" },
    { "select ifnull(o, 0) as x, instr(s, :what) as \"y!\" from [shop_t] where `n` = 1",
      "select coalesce(o, 0) as x, strpos(s, $1) as y from \"shop_t\" where \"n\" = 1" },
    { "select id as \"order!\", n as \"group?\" from shop_t",
      "select id as \"order\", n as \"group\" from shop_t" },
    { "select * from shop_t where b", "select id, n, o, s, b, y from shop_t where b" },
    { "select id from shop_t where id = :id\n-- postgres:  for update\n",
      "select id from shop_t where id = $1 for update" },
    { "update shop_t set y = x'00FF' where id = :id",
      "update shop_t set y = '\\x00FF'::bytea where id = $1" },
};

static const char schema[] =
    "create table shop_t (id id, n int not null, o int, s text not null, b bool not null, "
    "y blob not null);\ncreate index shop_n on shop_t (n);\n";

static pd_str statement(struct app *a, const char *text)
{
    const char *kind = strncmp(text, "update", 6) == 0 ? "exec" : "many";
    return pd_str_fmt(&a->arena, "-- name: it :%s\n-- scan ok: a test\n%s%s;\n", kind,
                      strstr(text, ":what") ? "-- param what: text\n" : "", text);
}

static void words_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct app a;
        app_open(&a);
        app_write(&a, "modules/crew/queries.sql", PD_STR("-- none\n"));
        app_write(&a, "modules/shop/migrations/0001_shop.sql", pd_str_c(schema));
        app_write(&a, "modules/shop/migrations/0002_rename.sql", PD_STR("-- none\n"));
        app_write(&a, "modules/shop/queries.sql", statement(&a, words[i].written));
        app_run(&a);
        struct sql_module *m = a.g.sql->modules;
        while (m && !pd_str_eq(m->name, PD_STR("shop")))
            m = m->next;
        struct sql_stmt *st = m ? sql_stmt_find(m, PD_STR("it")) : NULL;
        if (!st || !st->nvariants || st->failed)
            fail_msg("%s: %.*s", words[i].written, PD_ARG(pd_buf_str(&a.said)));
        pd_str got = st->variants[0].postgres;
        if (!pd_str_eq(got, pd_str_c(words[i].expected)))
            fail_msg("%s\n  became   %.*s\n  expected %s", words[i].written, PD_ARG(got),
                     words[i].expected);
        app_close(&a);
    }
}

static void a_statement_may_demand_the_primary(void **state)
{
    (void)state;
    struct app a;
    app_open(&a);
    app_write(&a, "modules/crew/queries.sql", PD_STR("-- none\n"));
    app_write(&a, "modules/shop/migrations/0001_shop.sql", pd_str_c(schema));
    app_write(&a, "modules/shop/migrations/0002_rename.sql", PD_STR("-- none\n"));
    app_write(&a, "modules/shop/queries.sql",
              PD_STR("-- name: newest :one\n-- primary\nselect n from shop_t where id = :id;\n"
                     "-- name: any :one\nselect n from shop_t where id = :id;\n"));
    app_run(&a);
    app_emit(&a);
    pd_str out = app_read(&a, "out/shop_sql.c");
    size_t newest = pd_str_find_str(out, PD_STR("\"shop.newest\""));
    size_t any = pd_str_find_str(out, PD_STR("\"shop.any\""));
    size_t flag = pd_str_find_str(out, PD_STR("PD_S_READONLY | PD_S_KEYED | PD_S_PRIMARY"));
    assert_true(newest < flag && flag < any && any < out.len);
    assert_int_equal(pd_str_find_str(pd_str_sub(out, any, PD_NPOS), PD_STR("PRIMARY")), PD_NPOS);
    app_close(&a);
}

/* --- where null comes ----------------------------------------------------------------------------
 */

static const struct {
    const char *written, *expected;
} orders[] = {
    { "select id from shop_t order by o, id desc",
      "select id from shop_t order by o nulls first, id desc" },
    { "select id from shop_t order by o desc, n",
      "select id from shop_t order by o desc nulls last, n" },
    { "select id from shop_t order by o asc nulls last, o desc nulls first, id",
      "select id from shop_t order by o asc nulls last, o desc nulls first, id" },
    { "select o, id from shop_t order by 1, 2",
      "select o, id from shop_t order by 1 nulls first, 2" },
    { "select o as x, id as y from shop_t order by x desc, y",
      "select o as x, id as y from shop_t order by x desc nulls last, y" },
    { "select id from shop_t union select o from shop_t order by 1 desc",
      "select id from shop_t union select o from shop_t order by 1 desc nulls last" },
    { "select id, row_number() over (partition by b order by o desc, id) as x from shop_t order by "
      "x",
      "select id, row_number() over (partition by b order by o desc nulls last, id) as x from "
      "shop_t "
      "order by x" },
    { "select id, row_number() over w as x from shop_t window w as (order by o) order by id",
      "select id, row_number() over w as x from shop_t window w as (order by o nulls first) order "
      "by id" },
    { "select t.id from shop_t t left join shop_t u on u.id = t.o order by u.n, t.id",
      "select t.id from shop_t t left join shop_t u on u.id = t.o order by u.n nulls first, t.id" },
    { "select id from shop_t\n-- order: it(o desc, id) | other(id)\n",
      "select id from shop_t order by o desc nulls last, id" },
    { "select id from shop_t order by o, id\n-- postgres:  for update\n",
      "select id from shop_t order by o nulls first, id for update" },
};

static struct sql_stmt *read_statement(struct app *a, const char *text)
{
    app_begin(a);
    app_write(a, "modules/shop/migrations/0001_shop.sql", pd_str_c(schema));
    app_write(a, "modules/shop/queries.sql", statement(a, text));
    app_run(a);
    struct sql_stmt *st = a->g.sql->modules ? sql_stmt_find(a->g.sql->modules, PD_STR("it")) : NULL;
    if (!st || !st->nvariants || st->failed)
        fail_msg("%s: %.*s", text, PD_ARG(pd_buf_str(&a->said)));
    return st;
}

static void null_comes_first_as_in_sqlite(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct app a;
        pd_str got = read_statement(&a, orders[i].written)->variants[0].postgres;
        if (!pd_str_eq(got, pd_str_c(orders[i].expected)))
            fail_msg("%s\n  became   %.*s\n  expected %s", orders[i].written, PD_ARG(got),
                     orders[i].expected);
        app_close(&a);
    }
}

static const char rows[] = "insert into shop_t (n, o, s, b, y) values (3, 7, 'c', %s, %s), "
                           "(1, null, 'a', %s, %s), (2, 1, 'b', %s, %s), (4, null, 'd', %s, %s)";

static pd_str in_postgres(struct app *a, PGconn *pq, const char *ddl, pd_str sql)
{
    struct pd_buf b;
    pd_buf_init(&b, &a->arena, 1 << 16);
    PQclear(PQexec(pq, "begin; create schema gen_nulls; set local search_path = gen_nulls"));
    PQclear(PQexec(pq, ddl));
    pd_str fill =
        pd_str_fmt(&a->arena, rows, "true", "''", "true", "''", "false", "''", "false", "''");
    PQclear(PQexec(pq, pd_str_cstr(&a->arena, fill)));
    PGresult *r = PQexec(pq, pd_str_cstr(&a->arena, sql));
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%.*s: %s", PD_ARG(sql), PQerrorMessage(pq));
    for (int i = 0; i < PQntuples(r); i++)
        pd_buf_fmt(&b, "%s ", PQgetisnull(r, i, 0) ? "null" : PQgetvalue(r, i, 0));
    PQclear(r);
    PQclear(PQexec(pq, "rollback"));
    return pd_buf_str(&b);
}

static int add_value(void *arg, int n, char **values, char **names)
{
    (void)n, (void)names;
    pd_buf_fmt(arg, "%s ", values[0] ? values[0] : "null");
    return 0;
}

static pd_str in_sqlite(struct app *a, const char *ddl, pd_str sql)
{
    struct pd_buf b;
    sqlite3 *db;
    pd_buf_init(&b, &a->arena, 1 << 16);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, ddl, NULL, NULL, NULL), SQLITE_OK);
    pd_str fill = pd_str_fmt(&a->arena, rows, "1", "x''", "1", "x''", "0", "x''", "0", "x''");
    assert_int_equal(sqlite3_exec(db, pd_str_cstr(&a->arena, fill), NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, pd_str_cstr(&a->arena, sql), add_value, &b, NULL), SQLITE_OK);
    sqlite3_close(db);
    return pd_buf_str(&b);
}

static void rows_with_null_have_one_order(void **state)
{
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct app a;
        struct sql_variant *v = read_statement(&a, orders[i].written)->variants;
        struct sql_migration *m = a.g.sql->modules->migrations;
        pd_str there = in_postgres(&a, pq, pd_str_cstr(&a.arena, m->postgres), v->postgres);
        pd_str here = in_sqlite(&a, pd_str_cstr(&a.arena, m->sqlite), v->sql);
        assert_true(here.len >= 8);
        if (!pd_str_eq(here, there))
            fail_msg("%s\n  SQLite     %.*s\n  PostgreSQL %.*s", orders[i].written, PD_ARG(here),
                     PD_ARG(there));
        app_close(&a);
    }
    PQfinish(pq);
}

/* --- a real server -------------------------------------------------------------------------------
 */

static void need_server(struct gen *g)
{
    if (!getenv("TEST_POSTGRES"))
        skip();
    g->postgres = pd_str_c(getenv("TEST_POSTGRES"));
}

/* Gen's transaction is rolled back: not even its schema is left. */
static void nothing_is_left(void)
{
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    PGresult *r = PQexec(pq, "select 1 from pg_namespace where nspname like 'pando\\_gen\\_%'");
    assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(r), 0);
    PQclear(r);
    PQfinish(pq);
}

static void the_test_app_is_taken(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    need_server(&a.g);
    app_run(&a);
    if (a.said.len)
        fail_msg("%.*s", PD_ARG(pd_buf_str(&a.said)));
    app_close(&a);
    nothing_is_left();
}

static const struct {
    const char *migration, *queries, *said;
} differences[] = {
    { "-- postgres:\ncreate index shop_m on shop_t (m);\n", "",
      "modules/shop/migrations/0001_shop.sql: error PD-SQL-061: PostgreSQL refuses this migration: "
      "ERROR:  column \"m\" does not exist" },
    { "",
      "-- name: it :one\nselect unixepoch(:t) as \"x!\" from shop_t where id = :id;\n-- param t: "
      "text\n",
      "error PD-SQL-062: PostgreSQL refuses \"it\": ERROR:  function unixepoch(text) does not "
      "exist" },
    { "",
      "-- name: it :one\nselect id, -- sqlite: n\n-- postgres: s as n\nfrom shop_t where id = "
      ":id;\n",
      "error PD-SQL-063: column \"n\" of \"it\" has another type in PostgreSQL" },
    { "",
      "-- name: it :one\nselect u.n from shop_t t\n-- sqlite: join\n-- postgres: left join\n"
      "shop_t u on u.id = t.o where t.id = :id;\n",
      "error PD-SQL-063: column \"n\" of \"it\" may be null in PostgreSQL" },
};

static void what_differs_in_postgres_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        struct app a;
        app_begin(&a);
        need_server(&a.g);
        pd_str all = pd_str_fmt(&a.arena, "%s%s", schema, differences[i].migration);
        app_write(&a, "modules/shop/migrations/0001_shop.sql", all);
        app_write(&a, "modules/shop/queries.sql", pd_str_c(differences[i].queries));
        app_run(&a);
        if (pd_str_find_str(pd_buf_str(&a.said), pd_str_c(differences[i].said)) == PD_NPOS)
            fail_msg("instead of %s:\n%.*s", differences[i].said, PD_ARG(pd_buf_str(&a.said)));
        assert_true(a.g.errors > 0);
        app_close(&a);
        nothing_is_left();
    }
}

/* --- its tables ----------------------------------------------------------------------------------
 */

/* A foreign key that deletes, triggers that write, a view, partitions. */
static const char tables[] =
    "create table shop_p (id id, n int not null);\n"
    "create table shop_c (id id, p_id ref(shop_p) not null on delete cascade, n int not null);\n"
    "create index shop_c_p on shop_c (p_id);\n"
    "create table shop_log (id id, n int not null);\n"
    "create table shop_k (id id, k int not null unique, n int not null);\n"
    "create view shop_v as select c.id, c.n, p.n as pn from shop_c c join shop_p p on p.id = "
    "c.p_id;\n"
    "-- sqlite:\ncreate trigger shop_p_log after update on shop_p begin\n"
    "  insert into shop_log (n) values (new.n); end;\n"
    "-- postgres:\ncreate function shop_p_log() returns trigger language plpgsql as\n"
    "'begin insert into shop_log (n) values (new.n); return new; end';\n"
    "-- postgres:\ncreate trigger shop_p_log after update on shop_p for each row execute function\n"
    "  shop_p_log();\n"
    "create table shop_e (day int not null, n int not null);\n"
    "-- postgres:\ndo 'begin drop table shop_e; create table shop_e (day bigint not null, n bigint "
    "not null) partition by range (day); "
    "create table shop_e_1 partition of shop_e for values from (0) to (10); "
    "create table shop_e_2 partition of shop_e for values from (10) to (20); end';\n"
    "create index shop_e_day on shop_e (day);\n";

static const struct {
    const char *query, *there, *here; /* NULL: no difference */
} touching[] = {
    { "one\nselect c.id,\n-- sqlite: c.n\n-- postgres: p.n\nfrom shop_c c\n"
      "-- postgres: join shop_p p on p.id = c.p_id\nwhere c.id = :id",
      "reads shop_c, reads shop_p", "reads shop_c" },
    { "one\nselect c.id from shop_c c\n"
      "-- sqlite: join shop_p p on p.id = c.p_id and p.n > 1\nwhere c.id = :id",
      "reads shop_c", "reads shop_c, reads shop_p" },
    { "one\nselect n from\n-- sqlite: shop_c\n-- postgres: shop_v\nwhere id = :id",
      "reads shop_c, reads shop_p", "reads shop_c" },
    { "exec\nupdate\n-- sqlite: shop_log\n-- postgres: shop_c\nset n = :n where id = :id",
      "writes shop_c", "writes shop_log" },
    { "one\n-- postgres: with x as (insert into shop_log (n) values (1))\n"
      "select n from shop_c where id = :id",
      "reads shop_c, writes shop_log", "reads shop_c" },
    { "exec\ndelete from shop_c where id = :id\n"
      "-- postgres: and exists (select 1 from shop_log where shop_log.id = p_id)",
      "writes shop_c, reads shop_log", "writes shop_c" },
    { "one\nselect id from shop_c where id = :id\n-- postgres: and false", NULL, NULL },
    { "one\nselect 1 as \"x!\"\n-- sqlite: from shop_c where id = :id\n"
      "-- postgres: where $1 = :id\n-- param id: id",
      "touches no table", "reads shop_c" },

    /* planned away */
    { "one\nselect c.id from shop_c c\n-- postgres: left join shop_p p on p.id = c.p_id\n"
      "where c.id = :id",
      NULL, NULL },
    { "one\nselect id from shop_c where id = :id\n"
      "-- postgres: and (true or exists (select 1 from shop_p))",
      NULL, NULL },
    { "one\nselect id from shop_c where id = :id and (id > 1 or (false and exists (select 1 from "
      "shop_p)))",
      NULL, NULL },
    { "one\nwith u as (select id from shop_p) select id from shop_c where id = :id", NULL, NULL },
    { "many\nselect id from shop_c where id = :id and 1 = 0 union all select id from shop_p where "
      "id = :id",
      NULL, NULL },

    /* what only one of them reports */
    { "exec\ndelete from shop_p where id = :id", NULL, NULL },
    { "exec\nupdate shop_p set n = :n where id = :id", NULL, NULL },
    { "exec\ninsert into shop_c (p_id, n) values (:p_id, :n)", NULL, NULL },
    { "many\nselect n from shop_e where day = :day", NULL, NULL },
    { "exec\nupdate shop_e set n = n + 1 where day = 3", NULL, NULL },
    { "exec\ndelete from shop_e where day = 33", NULL, NULL }, /* no such partition */

    /* the same in both */
    { "one\nselect pn from shop_v where id = :id", NULL, NULL },
    { "one\nselect n from shop_c where id = :id\n-- postgres: for update", NULL, NULL },
    { "many\nselect id from shop_c where id in (:ids[])", NULL, NULL },
    { "one\ninsert into shop_p (n) values (:n) returning id, n", NULL, NULL },
    { "exec\ninsert into shop_log (n) select n from shop_c where id = :id", NULL, NULL },
    { "exec\ninsert into shop_k (k, n) values (:k, :n) on conflict (k) do update set n = "
      "excluded.n",
      NULL, NULL },
    { "one\nselect (select count(*) from shop_p) as \"n!\" from shop_log where id = :id", NULL,
      NULL },
    { "exec\nupdate shop_c set n = p.n from shop_p p where p.id = p_id and shop_c.id = :id", NULL,
      NULL },
    { "one\nselect 1 as \"x!\"", NULL, NULL },
};

static void both_databases_touch_the_same_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof touching / sizeof *touching; i++) {
        struct app a;
        pd_str query = pd_str_c(touching[i].query), kind;
        app_begin(&a);
        need_server(&a.g);
        pd_str_split(&query, '\n', &kind);
        app_write(&a, "modules/shop/migrations/0001_shop.sql", pd_str_c(tables));
        app_write(&a, "modules/shop/queries.sql",
                  pd_str_fmt(&a.arena, "-- name: it :%.*s\n-- scan ok: a test\n%.*s\n;\n",
                             PD_ARG(kind), PD_ARG(query)));
        app_run(&a);
        pd_str want = PD_STR("");
        if (touching[i].there)
            want = pd_str_fmt(&a.arena,
                              "modules/shop/queries.sql:1:3: error PD-SQL-064: \"it\" has other "
                              "tables in PostgreSQL: there it %s; in SQLite it %s\n  remedy: ",
                              touching[i].there, touching[i].here);
        pd_str said = pd_buf_str(&a.said);
        if (!pd_str_starts(said, want) || a.g.errors != (touching[i].there != NULL))
            fail_msg("%s\n  expected %.*s\n  said %.*s", touching[i].query, PD_ARG(want),
                     PD_ARG(said));
        app_close(&a);
    }
    nothing_is_left();
}

/* --- its triggers --------------------------------------------------------------------------------
 */

static const char crew[] = "create table crew_hand (id id, n int not null);\n"
                           "create view crew_hands as select id from crew_hand;\n";
static const char fired[] =
    "create table shop_p (id id, n int not null, s text);\n"
    "create table shop_log (id id, n int not null, p_id int not null);\n"
    "create index shop_log_p on shop_log (p_id);\n"
    "create table shop_kind (id id, n int not null); -- small: a dozen\n"
    "-- postgres:\n"
    "%screate function shop_fired() returns trigger language plpgsql as $$\n"
    "%s\n$$;\n"
    "-- postgres:\n"
    "create trigger shop_fires after insert or update on shop_p for each row execute function\n"
    "  shop_fired();\n%s";
#define TWIN(on, does)                                                                             \
    "-- sqlite:\ncreate trigger fires_" on " after update on " on " begin " does " end;\n"
#define LOG  "insert into shop_log (n, p_id) values (1, 1);"
#define KIND "insert into shop_kind (n) values (1);"
#define AT   "modules/shop/migrations/0001_shop.sql:"

/* The body begins in line 7. */
static const struct {
    const char *body, *said; /* NULL: nothing */
    const char *twin;        /* SQLite's triggers; NULL: none */
} bodies[] = {
    { "begin\n  insert into crew_hand (n) values (new.n);\n  return new;\nend",
      AT "8:3: error PD-SQL-014: table \"crew_hand\" belongs to module crew" },
    { "begin\n  if new.n > 1 and exists (select 1 from crew_hands h where h.id = new.n) then\n"
      "    return null; end if;\n  return new;\nend",
      AT "8:28: error PD-SQL-014: table \"crew_hand\" belongs to module crew" },
    { "declare\n  r record;\nbegin\n  for r in select id from shop_kind loop\n"
      "    update only crew_hand set n = r.id where id = new.n; -- one by one\n  end loop;\n"
      "  return new;\nend",
      AT "11:17: error PD-SQL-014: table \"crew_hand\" belongs to module crew" },
    { "declare had crew_hand.n%type;\nbegin\n"
      "  select n into strict had from crew_hand where id = new.id;\n  return new;\nend",
      AT "9:3: error PD-SQL-014: table \"crew_hand\" belongs to module crew" },
    { "begin\n  update shop_log set n = new.n where n = old.n;\n  return new;\nend",
      AT "8:3: error PD-SQL-040: trigger function \"shop_fired\" scans table \"shop_log\", which "
         "grows, in PostgreSQL" },
    { "begin\n  new.n := (select max(n) from shop_log where n < new.n);\n  return new;\nend",
      AT "8:13: error PD-SQL-040: trigger function \"shop_fired\" scans" },
    { "begin\n  update shop_log set m = new.n where p_id = new.id;\n  return new;\nend",
      AT "8:3: error PD-SQL-061: PostgreSQL refuses a statement of function \"shop_fired\": column "
         "\"m\" of relation \"shop_log\" does not exist" },
    { "begin\n  insert into shop_log (n, p_id) values (new.m, new.id);\n  return new;\nend",
      AT "8:3: error PD-SQL-061: PostgreSQL refuses a statement of function \"shop_fired\": column "
         "\"m\" not found in data type shop_p" },

    { "begin return new; end\n$$;\n-- postgres:\ncreate trigger shop_far after insert on "
      "crew_hand for each row execute function shop_fired();\n-- postgres:\n"
      "comment on function shop_fired() is $$",
      AT "6:17: error PD-SQL-014: table \"crew_hand\" belongs to module crew" },
    { "begin insert into shop_log (n, p_id) values (1, new.id); return new; end",
      AT "6:17: error PD-SQL-064: trigger function \"shop_fired\" writes table \"shop_log\" when "
         "\"shop_p\" changes; in SQLite no trigger does" },
    { "begin return new; end",
      AT "13:16: error PD-SQL-064: trigger \"fires_shop_p\" writes table \"shop_log\" when "
         "\"shop_p\" changes; in PostgreSQL no trigger does",
      TWIN("shop_p", LOG) },
    { "begin return new; end", NULL },
    { "begin new.n := 2; return new; end", NULL,
      TWIN("shop_p", "update shop_p set n = 2 where id = new.id;") },
    { "begin execute 'insert'; return new; end", NULL, TWIN("shop_p", LOG) },
    { "<<it>>\ndeclare\n  n constant bigint not null := 3; k shop_kind%rowtype; v "
      "shop_log.n%type;\n"
      "  many text[] = '{a,b}'; c cursor for select id from shop_kind;\nbegin\n"
      "  if tg_op = 'UPDATE' and old.* is distinct from new.* then\n"
      "    select * into k from shop_kind where id = new.n limit 1;\n"
      "    insert into shop_log (n, p_id) select k.n, new.id returning n into v;\n"
      "    update shop_log set n = shop_log.n + v, p_id = case when v > 1 then v else n end\n"
      "      where p_id = old.id and id = v;\n"
      "    get diagnostics v = row_count;\n"
      "  elsif found or tg_argv[0] = many[1] then\n"
      "    perform 1 from shop_log l where l.p_id = new.id for update;\n"
      "    raise notice 'select from crew_hand %', v;\n"
      "  end if;\n"
      "  for i in 1..3 loop\n    delete from shop_log where p_id = i;\n  end loop;\n"
      "  begin\n    with d as (delete from shop_kind where n = new.n returning n)\n"
      "      insert into shop_kind (n) select n + 1 from d;\n"
      "  exception when unique_violation then\n    raise exception '%; no', new.s; end;\n"
      "  return new;\nend",
      NULL, TWIN("shop_p", LOG KIND) },
    { "begin\n  create temp table shop_tmp (n bigint) on commit drop;\n"
      "  insert into shop_tmp values (new.n);\n  return new;\nend",
      NULL },
    { "<<it>>\ndeclare v bigint := 1;\nbegin\n"
      "  update shop_log set n = it.v where p_id = new.id;\n"
      "  insert into shop_log (n, p_id) values (shop_fired.v, 1);\n  return new;\n"
      "exception when others then\n  insert into shop_kind (n) values (length(sqlerrm));\nend",
      NULL, TWIN("shop_p", LOG KIND) },
    { "begin insert into shop_log (n, p_id) select n, id from fresh; return new; end\n$$;\n"
      "-- postgres:\ncreate trigger shop_each after insert on shop_kind referencing new table as "
      "fresh for each statement execute function shop_fired();\n-- postgres:\n"
      "comment on function shop_fired() is $$",
      NULL, TWIN("shop_p", LOG) TWIN("shop_kind", LOG) },
    { "begin execute 'select 1'; /* from crew_hand */ return new; end", NULL },
};

/* `above`: the lines before the function. */
static void run_body(struct app *a, const char *above, const char *body, const char *twin)
{
    app_begin(a);
    need_server(&a->g);
    app_write(a, "modules/crew/migrations/0001_crew.sql", pd_str_c(crew));
    app_write(a, "modules/crew/queries.sql", PD_STR("-- none\n"));
    app_write(a, "modules/shop/migrations/0001_shop.sql",
              pd_str_fmt(&a->arena, fired, above, body, twin ? twin : ""));
    app_write(a, "modules/shop/queries.sql", PD_STR("-- none\n"));
    app_run(a);
}

static void what_trigger_functions_do_is_looked_at(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct app a;
        run_body(&a, "", bodies[i].body, bodies[i].twin);
        pd_str said = pd_buf_str(&a.said);
        bool right = bodies[i].said
                         ? pd_str_starts(said, pd_str_c(bodies[i].said)) && a.g.errors == 1
                         : a.g.errors == 0;
        if (!right)
            fail_msg("%s\n  expected %s\n  said %.*s", bodies[i].body, bodies[i].said,
                     PD_ARG(said));
        app_close(&a);
    }
    nothing_is_left();
}

static void the_author_may_let_a_trigger_function_scan(void **state)
{
    struct app a;
    (void)state;
    run_body(&a, "-- scan ok: it is fired once a year\n",
             "begin update shop_log set n = new.n where n = old.n; return new; end",
             TWIN("shop_p", LOG));
    if (a.g.errors)
        fail_msg("%.*s", PD_ARG(pd_buf_str(&a.said)));
    app_close(&a);
}

/* --- a user who may do less ----------------------------------------------------------------------
 */

static void server_do(const char *fmt, ...)
{
    char sql[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    PGresult *r = PQexec(pq, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pq));
    PQclear(r);
    PQfinish(pq);
}

/* Runs gen as a user of the test's own; `does`: "grant" or "revoke" the right to make a schema. */
static void run_as(struct app *a, const char *queries, bool may)
{
    int id = (int)getpid();
    app_begin(a);
    need_server(&a->g);
    server_do("create role gen_%d login", id);
    if (may)
        server_do("do $$ begin execute format('grant create on database %%I to gen_%d', "
                  "current_database()); end $$",
                  id);
    a->g.postgres = pd_str_fmt(&a->arena, "%.*s&user=gen_%d", PD_ARG(a->g.postgres), id);
    app_write(a, "modules/shop/migrations/0001_shop.sql", pd_str_c(schema));
    app_write(a, "modules/shop/queries.sql", pd_str_c(queries));
    app_run(a);
    server_do("drop owned by gen_%d; drop role gen_%d", id, id);
    nothing_is_left();
}

static void who_is_no_superuser_gets_all_but_the_plans(void **state)
{
    struct app a;
    (void)state;
    run_as(&a, differences[1].queries, true);
    pd_str said = pd_buf_str(&a.said);
    if (!pd_str_starts(said,
                       PD_STR("PANDO_POSTGRES: warning PD-SQL-060: its user is no superuser")) ||
        pd_str_find_str(said, pd_str_c(differences[1].said)) == PD_NPOS)
        fail_msg("%.*s", PD_ARG(said));
    assert_int_equal(a.g.errors, 1);
    app_close(&a);
    run_as(&a, "-- name: it :one\nselect id from shop_t where id = :id;\n", true);
    if (a.g.errors)
        fail_msg("%.*s", PD_ARG(pd_buf_str(&a.said)));
    app_close(&a);
}

static void who_may_not_make_a_schema_is_told_what_it_takes(void **state)
{
    struct app a;
    (void)state;
    run_as(&a, "", false);
    pd_str said = pd_buf_str(&a.said);
    if (!pd_str_starts(said, PD_STR("PANDO_POSTGRES: error PD-SQL-060: cannot make a schema")) ||
        pd_str_find_str(said, PD_STR("grant create on database")) == PD_NPOS)
        fail_msg("%.*s", PD_ARG(said));
    assert_int_equal(a.g.errors, 1);
    app_close(&a);
}

static void a_server_that_is_not_there_is_an_error(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    a.g.postgres = PD_STR("postgres:///x?host=/nowhere&user=nobody");
    app_run(&a);
    assert_int_equal(a.g.errors, 1);
    assert_true(pd_str_starts(pd_buf_str(&a.said),
                              PD_STR("PANDO_POSTGRES: error PD-SQL-060: cannot connect")));
    app_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_differ),
        cmocka_unit_test(a_statement_may_demand_the_primary),
        cmocka_unit_test(null_comes_first_as_in_sqlite),
        cmocka_unit_test(rows_with_null_have_one_order),
        cmocka_unit_test(the_test_app_is_taken),
        cmocka_unit_test(what_differs_in_postgres_is_an_error),
        cmocka_unit_test(both_databases_touch_the_same_tables),
        cmocka_unit_test(what_trigger_functions_do_is_looked_at),
        cmocka_unit_test(the_author_may_let_a_trigger_function_scan),
        cmocka_unit_test(who_is_no_superuser_gets_all_but_the_plans),
        cmocka_unit_test(who_may_not_make_a_schema_is_told_what_it_takes),
        cmocka_unit_test(a_server_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests_name("gen/postgres", tests, NULL, NULL);
}
