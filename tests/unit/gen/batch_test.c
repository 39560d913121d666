/* How a real server plans the list of keys of `-- batch`. (What gen makes and refuses is in
 * sql_test.c, what the driver does with it in tests/unit/data.) */
#include "gen_app.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static const char schema[] =
    "create table shop_t (id id, space_id int not null, key uuid not null, name text not null,\n"
    "    note text, unique (space_id, name));\n"
    "create unique index shop_key on shop_t (space_id, key);\n"
    "create table shop_gone (id id, key uuid not null unique);\n";

static const struct {
    const char *where, *types, *keys; /* of 200 keys g */
    const char *plan[2];              /* has both */
} batched[] = {
    { "space_id = :space and key = :key",
      "bigint[], uuid[]",
      "array_agg(g % 7), array_agg(md5(g::text)::uuid)",
      { "Index Scan using shop_key on shop_t",
        "Index Cond: ((space_id = pd_key.space) AND (key = pd_key.key))" } },
    { "name = :name and space_id = :space",
      "text[], bigint[]",
      "array_agg('n' || g), array_agg(g % 7)",
      { "Index Scan using shop_t_space_id_name_key on shop_t",
        "Index Cond: ((space_id = pd_key.space) AND (name = pd_key.name))" } },
    { "id = :id and space_id = :space",
      "bigint[], bigint[]",
      "array_agg(g), array_agg(g % 7)",
      { "Index Scan using shop_t_pkey on shop_t", "Index Cond: (id = pd_key.id)" } },
    { "id = :id and not exists (select 1 from shop_gone x where x.key = :key)",
      "bigint[], uuid[]",
      "array_agg(g), array_agg(md5(g::text)::uuid)",
      { "Index Cond: (id = pd_key.id)", "using shop_gone_key_key on shop_gone x" } },
};

static void run_app(struct app *a, const char *migration, pd_str queries)
{
    app_begin(a);
    app_write(a, "modules/shop/migrations/0001_shop.sql", pd_str_c(migration));
    app_write(a, "modules/shop/queries.sql", queries);
    a->g.postgres = pd_str_c(getenv("TEST_POSTGRES"));
    app_run(a);
    assert_non_null(a->g.sql->modules);
}

static struct sql_stmt *read_it(struct app *a, pd_str queries)
{
    run_app(a, schema, queries);
    if (a->said.len)
        fail_msg("%.*s: %.*s", PD_ARG(queries), PD_ARG(pd_buf_str(&a->said)));
    struct sql_stmt *st = sql_stmt_find(a->g.sql->modules, PD_STR("it"));
    assert_non_null(st);
    return st;
}

static struct sql_stmt *read_batched(struct app *a, const char *where)
{
    char queries[1024];
    snprintf(queries, sizeof queries,
             "-- name: it :one\n-- batch\nselect id, note from shop_t where %s;\n"
             "-- name: other :one\nselect id from shop_t where space_id = :a and key = :b;\n",
             where);
    return read_it(a, pd_str_c(queries));
}

static PGresult *ask(PGconn *pq, const char *sql)
{
    PGresult *r = PQexec(pq, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pq));
    return r;
}
static void run(PGconn *pq, const char *sql)
{
    PQclear(ask(pq, sql));
}

static const char fill[] =
    "insert into shop_t (space_id, key, name, note)\n"
    "  select g % 7, md5(g::text)::uuid, 'n' || g, 'x' from generate_series(1, 3000) g;\n"
    "insert into shop_gone (key) select md5(g::text)::uuid from generate_series(1, 3000) g;\n"
    "analyze shop_t; analyze shop_gone";

static pd_str plan_of(struct app *a, PGconn *pq, const char *keys)
{
    struct pd_buf b;
    pd_buf_init(&b, &a->arena, 1 << 16);
    char sql[1024];
    snprintf(sql, sizeof sql,
             "do $$ declare args text; begin select format('execute it(%%L, %%L)', %s) into args "
             "from generate_series(1, 200) g; perform set_config('test.it', args, true); end $$",
             keys);
    run(pq, sql);
    PGresult *args = ask(pq, "select 'explain (costs off) ' || current_setting('test.it')");
    PGresult *r = ask(pq, PQgetvalue(args, 0, 0));
    for (int i = 0; i < PQntuples(r); i++)
        pd_buf_fmt(&b, "%s\n", PQgetvalue(r, i, 0));
    PQclear(args);
    PQclear(r);
    return pd_buf_str(&b);
}

static void assert_plan(size_t i, pd_str plan)
{
    bool found = pd_str_find_str(plan, PD_STR("Seq Scan")) == PD_NPOS;
    for (int j = 0; j < 2; j++)
        found &= pd_str_find_str(plan, pd_str_c(batched[i].plan[j])) != PD_NPOS;
    if (!found)
        fail_msg("%s: %.*s", batched[i].where, PD_ARG(plan));
}

/* Of a table so small that reading all of it would be cheaper, with as many keys as a tenth of it:
 * planned for these keys, and for any. */
static void many_keys_are_found_by_the_index_of_one(void **state)
{
    static const char *const modes[] = { "force_custom_plan", "force_generic_plan" };
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    for (size_t i = 0; i < sizeof batched / sizeof *batched; i++) {
        struct app a;
        struct sql_stmt *st = read_batched(&a, batched[i].where);
        run(pq, "begin; create schema gen_batch; set local search_path = gen_batch");
        run(pq, pd_str_cstr(&a.arena, a.g.sql->modules->migrations->postgres));
        run(pq, fill);
        run(pq, pd_str_fmt(&a.arena, "prepare it (%s) as %.*s", batched[i].types, PD_ARG(st->batch))
                    .ptr);
        for (int m = 0; m < 2; m++) {
            run(pq, pd_str_fmt(&a.arena, "set local plan_cache_mode = %s", modes[m]).ptr);
            assert_plan(i, plan_of(&a, pq, batched[i].keys));
        }
        run(pq, "rollback; deallocate all");
        app_close(&a);
    }
    PQfinish(pq);
}

/* Planning for so few keys seems cheap by the figures of their plans, and costs more than finding
 * the rows. */
static void it_is_not_planned_anew_for_few_keys(void **state)
{
    struct app a;
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    struct sql_stmt *st = read_batched(&a, batched[0].where);
    run(pq, "begin; create schema gen_batch; set local search_path = gen_batch");
    run(pq, pd_str_cstr(&a.arena, a.g.sql->modules->migrations->postgres));
    run(pq, fill);
    run(pq,
        pd_str_fmt(&a.arena, "prepare it (%s) as %.*s", batched[0].types, PD_ARG(st->batch)).ptr);
    for (int i = 0; i < 12; i++)
        run(pq, "execute it('{1,2}', "
                "'{c4ca4238-a0b9-2382-0dcc-509a6f75849b,c81e728d-9d4c-2f63-6f06-7f89cc14862c}')");
    PGresult *r = ask(pq, "select generic_plans from pg_prepared_statements where name = 'it'");
    assert_string_equal(PQgetvalue(r, 0, 0), "7"); /* five are planned to be compared with */
    PQclear(r);
    run(pq, "rollback; deallocate all");
    PQfinish(pq);
    app_close(&a);
}

/* No statement is known to be planned so; if gen made one, it would not pass. */
static void one_that_reads_all_is_refused(void **state)
{
    struct app a;
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    struct sql_stmt *st = read_batched(&a, "space_id = :space and key = :key");
    st->batch = PD_STR("select t.id, t.note, k.n from unnest($1::bigint[], $2::uuid[]) with "
                       "ordinality as k(space, key, n) join shop_t t on t.note = k.key::text");
    assert_true(sql_server_open(a.g.sql, a.g.postgres));
    sql_batch_plan(a.g.sql, st);
    sql_server_close(a.g.sql);
    assert_true(pd_str_eq(pd_buf_str(&a.said),
                          PD_STR("modules/shop/queries.sql:2:3: error PD-SQL-039: \"it\" reads all "
                                 "of a table that grows when PostgreSQL is asked for many keys\n"
                                 "  remedy: remove `-- batch`, or say it more simply\n")));
    app_close(&a);
}

static void one_that_the_server_does_not_take_is_refused(void **state)
{
    struct app a;
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    struct sql_stmt *st = read_batched(&a, "space_id = :space and key = :key");
    st->batch = PD_STR("select nothing");
    assert_true(sql_server_open(a.g.sql, a.g.postgres));
    sql_batch_plan(a.g.sql, st);
    sql_server_close(a.g.sql);
    assert_true(pd_str_find_str(pd_buf_str(&a.said),
                                PD_STR("PD-SQL-062: PostgreSQL refuses \"it\"")) != PD_NPOS);
    app_close(&a);
}

static const struct {
    const char *sql, *types, *values;
    const char *index;
} writes[] = {
    { "update shop_t set note = :note where id = :id", "text[], bigint[]",
      "array_agg('x' || g), array_agg(g)", "Index Scan using shop_t_pkey on shop_t" },
    { "delete from shop_t where space_id = :space and key = :key", "bigint[], uuid[]",
      "array_agg(g % 7), array_agg(md5(g::text)::uuid)", "Index Scan using shop_key on shop_t" },
};

/* Call by call, so rows are locked in the order of the calls. */
static void many_rows_are_changed_by_the_index_of_one(void **state)
{
    static const char *const modes[] = { "force_custom_plan", "force_generic_plan" };
    static const char others[] =
        "-- name: a :one\nselect id from shop_t where space_id = :a and key = :b;\n"
        "-- name: b :one\nselect id from shop_t where space_id = :a and name = :b;\n";
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        struct app a;
        char queries[1024];
        snprintf(queries, sizeof queries, "%s-- name: it :exec\n-- batch\n%s;\n", others,
                 writes[i].sql);
        struct sql_stmt *st = read_it(&a, pd_str_c(queries));
        run(pq, "begin; create schema gen_batch; set local search_path = gen_batch");
        run(pq, pd_str_cstr(&a.arena, a.g.sql->modules->migrations->postgres));
        run(pq, fill);
        run(pq, pd_str_fmt(&a.arena, "prepare it (%s) as %.*s", writes[i].types, PD_ARG(st->batch))
                    .ptr);
        for (int m = 0; m < 2; m++) {
            run(pq, pd_str_fmt(&a.arena, "set local plan_cache_mode = %s", modes[m]).ptr);
            pd_str plan = plan_of(&a, pq, writes[i].values);
            size_t keys = pd_str_find_str(plan, PD_STR("Function Scan on pd_key"));
            size_t rows = pd_str_find_str(plan, pd_str_c(writes[i].index));
            if (keys == PD_NPOS || rows == PD_NPOS || keys > rows ||
                pd_str_find_str(plan, PD_STR("Nested Loop")) == PD_NPOS)
                fail_msg("%s: %.*s", writes[i].sql, PD_ARG(plan));
        }
        run(pq, "rollback; deallocate all");
        app_close(&a);
    }
    PQfinish(pq);
}

static void a_trigger_of_the_servers_alone_is_seen(void **state)
{
    static const char made[] =
        "-- small: few\ncreate table shop_t (id id, note text);\n"
        "-- postgres:\ncreate function shop_f() returns trigger language plpgsql as 'begin return "
        "null; end';\n"
        "-- postgres:\ncreate trigger shop_x after update on shop_t execute function shop_f();\n";
    struct app a;
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    run_app(
        &a, made,
        PD_STR("-- name: it :exec\n-- batch\nupdate shop_t set note = :note where id = :id;\n"));
    if (pd_str_find_str(pd_buf_str(&a.said), PD_STR("PD-SQL-039: \"it\" is about a table with "
                                                    "triggers")) == PD_NPOS)
        fail_msg("%.*s", PD_ARG(pd_buf_str(&a.said)));
    app_close(&a);
}

/* What a migration for PostgreSQL alone has made, and why calls cannot be one statement then: one
 * for two rows may do something else there than two, one after the other. */
static const struct {
    const char *made, *sql;
    const char *why; /* NULL: it is taken */
} alone[] = {
    { "create rule shop_r as on update to shop_t do also insert into shop_log (n) select count(*) "
      "from shop_t where n = 5;\n",
      "update shop_t set n = :n where id = :id", "is about a table with rules" },
    { "create function shop_f() returns bigint language sql stable as 'select count(*) from "
      "shop_t';\n-- postgres:\ncreate policy shop_p on shop_t for insert with check (shop_f() < "
      "9);\n",
      "insert into shop_t (n, name) values (:n, :name)", "is about a table with rules, policies" },
    { "create policy shop_p on shop_t using ((select count(*) from shop_t) < 9);\n",
      "delete from shop_t where id = :id", "is about a table with rules, policies" },
    { "create policy shop_p on shop_t using (n = current_setting('shop.n')::bigint);\n",
      "delete from shop_t where id = :id", NULL },
    { "create function shop_f() returns bigint language sql stable as 'select max(n) + 1 from "
      "shop_t';\n-- postgres:\nalter table shop_t alter column m set default shop_f();\n",
      "insert into shop_t (n, name) values (:n, :name)", "checks or defaults that look at rows" },
    { "create function shop_f() returns bigint language sql as 'select count(*) from shop_t';\n"
      "-- postgres:\nalter table shop_t add constraint shop_few check (shop_f() < 9);\n",
      "insert into shop_t (n, name) values (:n, :name)", "checks or defaults that look at rows" },
    { "create function shop_f(bigint) returns boolean language sql immutable as 'select $1 > 0';\n"
      "-- postgres:\nalter table shop_t add constraint shop_some check (shop_f(n));\n",
      "insert into shop_t (n, name) values (:n, :name)", NULL },
    { "alter table shop_t add constraint shop_n unique (n) deferrable initially immediate;\n",
      "update shop_t set n = :n where id = :id", "a unique index looks at" },
    { "create unique index shop_n on shop_t ((n + 1)) include (m) where name <> '';\n",
      "update shop_t set n = :n where id = :id", "a unique index looks at" },
    { "create unique index shop_n on shop_t ((n + 1)) include (m) where name <> '';\n",
      "update shop_t set m = :m where id = :id", NULL },
    { "alter table shop_t add constraint shop_n exclude using btree (n with =);\n",
      "update shop_t set n = :n where id = :id", "a unique index looks at" },
    { "create collation shop_c (provider = icu, locale = 'und-u-ks-level2', deterministic = "
      "false);\n-- postgres:\nalter table shop_t alter column name type text collate shop_c;\n",
      "update shop_t set n = :n where name = :name", "may be equal without being the same" },
    { "alter table shop_log add foreign key (n) references shop_t on delete cascade;\n"
      "-- postgres:\nalter table shop_t add foreign key (m) references shop_log on delete set "
      "null;\n",
      "delete from shop_t where id = :id and m is null", "may lead back to its own table" },
    { "alter table shop_log add foreign key (n) references shop_t on delete cascade;\n"
      "-- postgres:\ncreate function shop_f() returns trigger language plpgsql as 'begin delete "
      "from shop_t where m = old.n; return null; end';\n"
      "-- postgres:\ncreate trigger shop_g after delete on shop_log for each row execute function "
      "shop_f();\n",
      "delete from shop_t where id = :id", "may lead back to its own table" },
    { "alter table shop_log add foreign key (n) references shop_t on delete cascade;\n",
      "delete from shop_t where id = :id", NULL },
    { "alter table shop_t add foreign key (m) references shop_t;\n",
      "delete from shop_t where id = :id", "refers to itself" },
    { "create index shop_m on shop_t (m);\n", "update shop_t set n = :n where name = :name", NULL },
};

static void what_the_server_alone_has_is_heeded(void **state)
{
    static const char tables[] =
        "-- small: few\ncreate table shop_t (id id, n int not null, m int, name text not null "
        "unique);\n-- small: few\ncreate table shop_log (id id, n int not null);\n"
        "-- unsafe ok: no rows\n-- postgres:\n";
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        struct app a;
        char made[2048], queries[512];
        snprintf(made, sizeof made, "%s%s", tables, alone[i].made);
        snprintf(queries, sizeof queries, "-- name: it :exec\n-- batch\n%s;\n", alone[i].sql);
        run_app(&a, made, pd_str_c(queries));
        pd_str said = pd_buf_str(&a.said);
        bool refused = pd_str_find_str(said, PD_STR("error PD-SQL-039: \"it\" ")) != PD_NPOS;
        if (refused != (alone[i].why != NULL) ||
            (refused && pd_str_find_str(said, pd_str_c(alone[i].why)) == PD_NPOS) ||
            (!refused && pd_str_find_str(said, PD_STR(" error ")) != PD_NPOS))
            fail_msg("%s%s: %.*s", alone[i].made, alone[i].sql, PD_ARG(said));
        app_close(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys_are_found_by_the_index_of_one),
        cmocka_unit_test(it_is_not_planned_anew_for_few_keys),
        cmocka_unit_test(one_that_reads_all_is_refused),
        cmocka_unit_test(many_rows_are_changed_by_the_index_of_one),
        cmocka_unit_test(a_trigger_of_the_servers_alone_is_seen),
        cmocka_unit_test(what_the_server_alone_has_is_heeded),
        cmocka_unit_test(one_that_the_server_does_not_take_is_refused),
    };
    return cmocka_run_group_tests_name("gen/batch", tests, NULL, NULL);
}
