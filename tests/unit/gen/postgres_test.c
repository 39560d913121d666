/* Statements in PostgreSQL's words: what they become, and that a real server takes every statement
 * of the apps here and of FinFlow, with results that the driver can decode. */
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

/* --- a real server -------------------------------------------------------------------------------
 */

static const struct {
    int type;
    Oid param, results[4];
} kinds[] = {
    { PD_T_BOOL, 16, { 16, 20, 23 } },
    { PD_T_I64, 20, { 20, 23, 21, 1700 } },
    { PD_T_MONEY, 20, { 20, 23, 21, 1700 } },
    { PD_T_ID, 20, { 20, 23, 21, 1700 } },
    { PD_T_STR, 25, { 25, 1043 } },
    { PD_T_BYTES, 17, { 17 } },
    { PD_T_TIME, 1184, { 1184 } },
    { PD_T_DATE, 1082, { 1082 } },
    { PD_T_UUID, 2950, { 2950 } },
    { PD_T_JSON, 3802, { 3802, 114 } },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int kind_of(int type)
{
    int k = 0;
    while (k < KINDS && kinds[k].type != type)
        k++;
    return k;
}

struct server {
    PGconn *pq;
    int statements, refused;
};

static bool command(struct server *s, pd_str text, const char *about)
{
    PGresult *r = PQexec(s->pq, text.ptr);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK ||
              PQresultStatus(r) == PGRES_EMPTY_QUERY;
    if (!ok)
        print_error("%s: %s\n%.*s\n", about, PQerrorMessage(s->pq), PD_ARG(text));
    PQclear(r);
    return ok;
}

static bool results_fit(const struct sql_stmt *st, const PGresult *r)
{
    if (PQnfields(r) != (int)st->nresults)
        return false;
    for (uint32_t i = 0; i < st->nresults; i++) {
        int k = kind_of(st->results[i].type);
        Oid have = PQftype(r, (int)i);
        bool fits = false;
        for (int j = 0; j < 4; j++)
            fits |= kinds[k].results[j] == have;
        if (!fits) {
            print_error("column %.*s has type %u there\n", PD_ARG(st->results[i].name), have);
            return false;
        }
    }
    return true;
}

static bool is_taken(struct server *s, struct pd_arena *a, const struct sql_stmt *st,
                     const struct sql_variant *v)
{
    Oid types[SQL_PARAMS_MAX];
    for (uint32_t i = 0; i < v->nparams; i++) {
        const struct sql_param *p = &st->params[v->params[i]];
        types[i] = p->list ? 1016 : kinds[kind_of(p->type)].param;
    }
    PGresult *r = PQprepare(s->pq, "", pd_str_cstr(a, v->postgres), (int)v->nparams, types);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    if (!ok)
        return false;
    r = PQdescribePrepared(s->pq, "");
    ok = PQresultStatus(r) == PGRES_COMMAND_OK && results_fit(st, r);
    PQclear(r);
    return ok;
}

static void take_all(struct server *s, struct gen *g)
{
    for (struct sql_module *m = g->sql->modules; m; m = m->next)
        for (struct sql_migration *mig = m->migrations; mig; mig = mig->next)
            s->refused += !command(s, pd_str_c(pd_str_cstr(&g->arena, mig->postgres)), "migration");
    for (struct sql_module *m = g->sql->modules; m; m = m->next)
        for (struct sql_stmt *st = m->stmts; st; st = st->next)
            for (uint32_t i = 0; i < st->nvariants; i++) {
                s->statements++;
                if (is_taken(s, &g->arena, st, &st->variants[i]))
                    continue;
                s->refused++;
                print_error("%.*s: %s%.*s\n", PD_ARG(st->full), PQerrorMessage(s->pq),
                            PD_ARG(st->variants[i].postgres));
            }
}

static void server_open(struct server *s)
{
    char sql[160];
    if (!getenv("TEST_POSTGRES"))
        skip();
    *s = (struct server){ .pq = PQconnectdb(getenv("TEST_POSTGRES")) };
    snprintf(sql, sizeof sql,
             "set client_min_messages = error; create schema gen_%d; set search_path = gen_%d",
             (int)getpid(), (int)getpid());
    assert_true(command(s, pd_str_c(sql), "schema"));
}

static void server_close(struct server *s)
{
    char sql[96];
    snprintf(sql, sizeof sql, "drop schema gen_%d cascade", (int)getpid());
    assert_true(command(s, pd_str_c(sql), "schema"));
    PQfinish(s->pq);
}

static void the_test_app_is_taken(void **state)
{
    struct server s;
    struct app a;
    (void)state;
    server_open(&s);
    app_open(&a);
    app_run(&a);
    take_all(&s, &a.g);
    app_close(&a);
    server_close(&s);
    assert_true(s.statements > 50);
    assert_int_equal(s.refused, 0);
}

static void finflow_is_taken(void **state)
{
    struct server s;
    struct gen g;
    (void)state;
    server_open(&s);
    gen_init(&g);
    assert_int_equal(gen_scan(&g, PD_STR(FINFLOW_DIR)), PD_OK);
    g.out_dir = PD_STR("/tmp");
    gen_sql_read(&g);
    take_all(&s, &g);
    gen_fini(&g);
    server_close(&s);
    assert_true(s.statements > 100);
    assert_int_equal(s.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_differ),
        cmocka_unit_test(the_test_app_is_taken),
        cmocka_unit_test(finflow_is_taken),
    };
    return cmocka_run_group_tests_name("gen/postgres", tests, NULL, NULL);
}
