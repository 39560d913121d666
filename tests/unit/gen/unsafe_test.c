/* Unsafe migrations: sql_unsafe.txt has each refused, and in a form that is accepted. */
#include "gen_app.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MIGRATIONS = 6 };

struct unsafe {
    pd_str title, base, refused;
    pd_str accepted[MIGRATIONS];
    unsigned naccepted;
};

static pd_str take_line(pd_str *rest)
{
    size_t n = pd_str_find(*rest, '\n');
    n = n == PD_NPOS ? rest->len : n + 1;
    pd_str line = pd_str_sub(*rest, 0, n);
    *rest = pd_str_sub(*rest, n, PD_NPOS);
    return line;
}

/* The next "### title" with its sections. */
static bool next_case(pd_str *rest, struct unsafe *u)
{
    *u = (struct unsafe){ 0 };
    while (rest->len && !pd_str_starts(*rest, PD_STR("### ")))
        take_line(rest);
    if (!rest->len)
        return false;
    u->title = pd_str_trim(pd_str_sub(take_line(rest), 4, PD_NPOS));
    pd_str *section = &u->title;
    while (rest->len && !pd_str_starts(*rest, PD_STR("### "))) {
        pd_str line = take_line(rest);
        if (!pd_str_starts(line, PD_STR("--- "))) {
            if (section != &u->title)
                section->len += line.len;
            continue;
        }
        assert_true(u->naccepted < MIGRATIONS);
        section = pd_str_eq(line, PD_STR("--- base\n"))      ? &u->base
                  : pd_str_eq(line, PD_STR("--- refused\n")) ? &u->refused
                                                             : &u->accepted[u->naccepted++];
        *section = pd_str_n(line.ptr + line.len, 0);
    }
    return true;
}

static void open_with(struct app *a, pd_str base, const pd_str *texts, unsigned n)
{
    app_open(a);
    app_write(a, "modules/crew/queries.sql", PD_STR("-- none\n"));
    app_write(a, "modules/shop/queries.sql", PD_STR("-- none\n"));
    app_write(a, "modules/shop/migrations/0001_shop.sql", base);
    app_write(a, "modules/shop/migrations/0002_rename.sql", PD_STR("-- none\n"));
    for (unsigned i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "modules/shop/migrations/%04u_more.sql", i + 3);
        app_write(a, name, texts[i]);
    }
    app_run(a);
}

static unsigned count_of(pd_str text, const char *what)
{
    unsigned n = 0;
    for (size_t at; (at = pd_str_find_str(text, pd_str_c(what))) != PD_NPOS; n++)
        text = pd_str_sub(text, at + 1, PD_NPOS);
    return n;
}

static unsigned judge_refused(pd_str base, const struct unsafe *u)
{
    struct app a;
    pd_str sql = u->refused, code = pd_str_trim(take_line(&sql));
    open_with(&a, base, &sql, 1);
    pd_str said = pd_buf_str(&a.said);
    pd_str wanted = pd_str_fmt(&a.arena, ": error %.*s: ", PD_ARG(code));
    bool right = count_of(said, ": error ") == 1 && count_of(said, wanted.ptr) == 1 &&
                 count_of(said, "\n  remedy: ") == 1 && count_of(said, "0003_more.sql:") == 1;
    if (!right)
        print_error("%.*s: refused as %.*s is what it should be, but gen says\n%.*s\n",
                    PD_ARG(u->title), PD_ARG(code), PD_ARG(said));
    app_close(&a);
    return !right;
}

static bool command(PGconn *pq, pd_str text)
{
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    PGresult *r = PQexec(pq, pd_str_cstr(&a, text));
    pd_arena_fini(&a);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK ||
              PQresultStatus(r) == PGRES_EMPTY_QUERY;
    if (!ok)
        print_error("%s%.*s\n", PQerrorMessage(pq), PD_ARG(text));
    PQclear(r);
    return ok;
}

/* Twice where that is promised: what was cut off is tried again. */
static bool run_alone(PGconn *pq, const struct sql_migration *m)
{
    bool ok = true;
    for (unsigned times = 0; times < 2; times++)
        for (uint32_t i = 0; i < m->nsteps; i++)
            ok &= command(pq, m->steps[i]);
    return ok;
}

static unsigned run_on_server(const struct app *a)
{
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    bool ok = true;
    char schema[160];
    snprintf(schema, sizeof schema,
             "set client_min_messages = error; create schema lint_%d; set search_path = lint_%d",
             (int)getpid(), (int)getpid());
    ok = command(pq, pd_str_c(schema));
    for (const struct sql_module *m = a->g.sql->modules; m; m = m->next)
        for (const struct sql_migration *g = m->migrations; g; g = g->next)
            ok &= g->alone ? run_alone(pq, g) : command(pq, g->postgres);
    snprintf(schema, sizeof schema, "drop schema lint_%d cascade", (int)getpid());
    ok &= command(pq, pd_str_c(schema));
    PQfinish(pq);
    return !ok;
}

/* SQLite runs it while gen reads it. */
static unsigned judge_accepted(pd_str base, const struct unsafe *u)
{
    struct app a;
    open_with(&a, base, u->accepted, u->naccepted);
    unsigned bad = a.said.len > 0;
    if (bad)
        print_error("%.*s: the accepted form is refused\n%.*s\n", PD_ARG(u->title),
                    PD_ARG(pd_buf_str(&a.said)));
    else if (getenv("TEST_POSTGRES") && run_on_server(&a)) {
        print_error("%.*s: PostgreSQL refuses the accepted form\n", PD_ARG(u->title));
        bad = 1;
    }
    app_close(&a);
    return bad;
}

static void each_is_refused_and_has_a_form_that_is_accepted(void **state)
{
    struct app files;
    struct unsafe base, u;
    unsigned cases = 0, bad = 0;
    (void)state;
    app_open(&files);
    pd_str rest = source_file(&files, "sql_unsafe.txt");
    assert_true(next_case(&rest, &base));
    for (; next_case(&rest, &u); cases++) {
        assert_true(u.refused.len > 0 && u.naccepted > 0);
        bad += judge_refused(base.base, &u) + judge_accepted(base.base, &u);
    }
    app_close(&files);
    assert_true(cases >= 40);
    assert_int_equal(bad, 0);
}

/* Without a word: the table has no users yet. */
static void a_table_of_the_same_file_is_free_of_all_of_it(void **state)
{
    static const char sql[] =
        "create table shop_x (id id, n int, s text not null);\n"
        "create index shop_x_s on shop_x (s); -- unused ok: a test\n"
        "create unique index shop_x_n on shop_x (n); -- unused ok: a test\n"
        "alter table shop_x rename column s to title;\n"
        "alter table shop_x add column p int check (p > 0);\n"
        "update shop_x set p = 1;\n"
        "insert into shop_x (n, title) select n, s from shop_t;\n"
        "delete from shop_x;\n"
        "-- postgres:\nalter table shop_x alter column n type bigint;\n"
        "-- postgres:\nalter table shop_x alter column n set not null;\n"
        "-- postgres:\nalter table shop_x add constraint shop_x_u unique (p);\n"
        "drop index shop_x_s;\n"
        "alter table shop_x drop column p;\n"
        "create table shop_y (id id);\n"
        "drop table shop_y;\n";
    static const char base[] = "create table shop_t (id id, n int, s text not null);\n";
    struct app a;
    (void)state;
    open_with(&a, pd_str_c(base), (pd_str[]){ pd_str_c(sql) }, 1);
    assert_string_equal(a.said.len ? pd_str_cstr(&a.arena, pd_buf_str(&a.said)) : "", "");
    if (getenv("TEST_POSTGRES"))
        assert_int_equal(run_on_server(&a), 0);
    app_close(&a);
}

static void an_index_alone_is_built_concurrently(void **state)
{
    static const char base[] = "create table shop_t (id id, n int);\n";
    static const char sql[] = "create index if not exists \"shop_N\" on shop_t (n "
                              "desc); -- unused ok: a test\n";
    struct app a;
    (void)state;
    open_with(&a, pd_str_c(base), (pd_str[]){ pd_str_c(sql) }, 1);
    const struct sql_module *m = a.g.sql->modules;
    while (!pd_str_eq(m->name, PD_STR("shop")))
        m = m->next;
    const struct sql_migration *g = m->migrations->next->next;
    assert_true(g->alone);
    assert_int_equal(g->nsteps, 2);
    assert_string_equal(g->steps[0].ptr, "drop index concurrently if exists \"shop_N\";");
    assert_string_equal(g->steps[1].ptr,
                        "create index concurrently \"shop_N\" on shop_t (n desc nulls last);");
    app_close(&a);
}

/* And only that: an index that is dropped is in nobody's way. */
static void what_removes_something_is_a_contract_migration(void **state)
{
    static const char base[] = "create table shop_t (id id, n int, s text);\n";
    static const pd_str more[] = {
        PD_STR_INIT("alter table shop_t add column x text;\n"),
        PD_STR_INIT("-- phase: backfill\nupdate shop_t set x = s;\n"),
        PD_STR_INIT("-- phase: contract\nalter table shop_t drop column s;\n"),
        PD_STR_INIT("-- unsafe ok: nobody has used it\nalter table shop_t drop column n;\n"),
    };
    struct app a;
    (void)state;
    open_with(&a, pd_str_c(base), more, 4);
    const struct sql_module *m = a.g.sql->modules;
    while (!pd_str_eq(m->name, PD_STR("shop")))
        m = m->next;
    unsigned n = 0;
    for (const struct sql_migration *g = m->migrations; g; g = g->next)
        assert_int_equal(g->contract, ++n == 5);
    assert_int_equal(n, 6);
    app_emit(&a);
    assert_int_equal(count_of(app_read(&a, "out/shop_sql.c"), ".contract = true"), 1);
    app_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_refused_and_has_a_form_that_is_accepted),
        cmocka_unit_test(a_table_of_the_same_file_is_free_of_all_of_it),
        cmocka_unit_test(an_index_alone_is_built_concurrently),
        cmocka_unit_test(what_removes_something_is_a_contract_migration),
    };
    return cmocka_run_group_tests_name("gen/unsafe", tests, NULL, NULL);
}
