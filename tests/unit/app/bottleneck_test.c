/* From figures to one sentence: every verdict, and what comes before what. */
#include "app/bottleneck.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* 1000 requests of 20 ms in 10 s; nothing in particular. */
static struct pd_load calm(void)
{
    return (struct pd_load){
        .wall_us = 10000000,
        .requests = 1000,
        .request_us = 20000000,
        .loops = 2,
        .busiest_us = 3000000,
        .slowest = { .name = "ledger.entries_page",
                     .file = "modules/ledger/queries.sql",
                     .line = 72,
                     .calls = 800,
                     .took_us = 1600000,
                     .rows = 40000 },
    };
}

static void says(const struct pd_load *l, enum pd_verdict v, const char *sentence)
{
    char text[1024];
    struct pd_buf b = { .ptr = text, .cap = sizeof text - 1, .max = sizeof text - 1 };
    assert_int_equal(pd_bottleneck_find(l), v);
    pd_bottleneck_put(l, v, &b);
    assert_false(b.failed);
    text[b.len] = '\0';
    assert_string_equal(text, sentence);
}

static void nothing_stands_out(void **state)
{
    (void)state;
    struct pd_load l = calm();
    says(&l, PD_V_NOTHING,
         "Nothing stands out: 1000 requests of 20.0 ms on average; the largest statement, with 8 % "
         "of their time, is ledger.entries_page (modules/ledger/queries.sql:72)");
    l.slowest.name = NULL;
    says(&l, PD_V_NOTHING, "Nothing stands out: 1000 requests of 20.0 ms on average");
}

static void few_requests_say_nothing(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.requests = 9;
    l.slowest.took_us = l.request_us;
    says(&l, PD_V_IDLE, "Too little happens to say: 9 requests in 10.0 s");
    l.requests = 0;
    l.request_us = 0;
    says(&l, PD_V_IDLE, "Too little happens to say: 0 requests in 10.0 s");
    l = calm();
    l.requests = 10;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_NOTHING);
}

static void a_statement_and_its_plan(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.slowest.took_us = 12200000;
    says(&l, PD_V_STATEMENT,
         "61 % of request time is the statement ledger.entries_page "
         "(modules/ledger/queries.sql:72), "
         "on average 15.2 ms over 800 calls with 50 rows each: look at its plan, which is logged "
         "when it is slow (SLOW_STATEMENT_MS)");
    l.slowest.plan = "SCAN ledger_entry";
    says(
        &l, PD_V_STATEMENT,
        "61 % of request time is the statement ledger.entries_page "
        "(modules/ledger/queries.sql:72), "
        "on average 15.2 ms over 800 calls with 50 rows each: look at its plan: SCAN ledger_entry");
}

static void a_statement_that_runs_often(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.slowest = (struct pd_load_statement){ .name = "t.get",
                                            .file = "t.sql",
                                            .line = 1,
                                            .calls = 12000,
                                            .took_us = 12000000,
                                            .rows = 12000 };
    says(
        &l, PD_V_STATEMENT,
        "60 % of request time is the statement t.get (t.sql:1), on average 1.0 ms over 12000 calls "
        "with 1 rows each: it runs 12 times per request, so load the rows together");
}

static void a_share_has_to_be_large(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.slowest.took_us = l.request_us * 24 / 100;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_NOTHING);
    l.slowest.took_us = l.request_us * 25 / 100;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_STATEMENT);
}

static void waiting_for_connections(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.read_waited_us = 4000000;
    l.write_waited_us = 4000000;
    says(&l, PD_V_CONNECTIONS,
         "40 % of request time is waiting for a database connection: make what holds them faster "
         "before you raise their number; most of the database's time is ledger.entries_page "
         "(modules/ledger/queries.sql:72)");
}

static void waiting_for_the_writer(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.one_writer = true;
    l.read_waited_us = 1000000;
    l.write_waited_us = 9000000;
    l.slowest.name = NULL;
    says(
        &l, PD_V_WRITER,
        "45 % of request time is waiting for the writer's turn: do less between the first write of "
        "a handler and its end");
    l.read_waited_us = 10000000; /* readers wait for connections there, too */
    says(&l, PD_V_CONNECTIONS,
         "50 % of request time is waiting for a database connection: make what holds them faster "
         "before you raise their number");
}

static void commits(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.commits = 500;
    l.commit_us = 6000000;
    says(&l, PD_V_COMMIT,
         "30 % of request time is commits, on average 12.0 ms over 500: the disk (or a synchronous "
         "replica) takes that long to make them durable");
}

static void work_on_the_pool(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.offloaded = 100;
    l.offload_us = 14000000;
    says(&l, PD_V_OFFLOAD,
         "70 % of request time is blocking work on the pool, on average 140.0 ms over 100 jobs: "
         "hashing passwords, files, names");
}

static void a_busy_loop_comes_first(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.busiest_us = 9300000;
    l.slowest.took_us = 12200000;
    says(&l, PD_V_CPU,
         "The CPU is the limit: the busiest of 2 loops computes 93 % of the time, so everything "
         "waits for it: give it more CPUs (THREADS), or profile the handlers");
    l.busiest_us = 8400000;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_STATEMENT);
}

static void but_sqlite_computes_on_the_loop(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.one_writer = true;
    l.busiest_us = 9300000;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_CPU);
    l.slowest.took_us = 12200000;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_STATEMENT);
}

static void the_largest_share_is_told(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.slowest.took_us = 6000000;
    l.commit_us = 7000000;
    l.offload_us = 6500000;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_COMMIT);
    l.offload_us = 7500000;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_OFFLOAD);
    l.slowest.took_us = 8000000;
    assert_int_equal(pd_bottleneck_find(&l), PD_V_STATEMENT);
}

/* Requests that are under way when the time is over have run statements, but are not counted yet.
 */
static void a_share_is_never_more_than_all(void **state)
{
    (void)state;
    struct pd_load l = calm();
    l.commits = 1;
    l.commit_us = 3 * l.request_us;
    says(&l, PD_V_COMMIT,
         "100 % of request time is commits, on average 60000.0 ms over 1: the disk (or a "
         "synchronous "
         "replica) takes that long to make them durable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_stands_out),
        cmocka_unit_test(few_requests_say_nothing),
        cmocka_unit_test(a_statement_and_its_plan),
        cmocka_unit_test(a_statement_that_runs_often),
        cmocka_unit_test(a_share_has_to_be_large),
        cmocka_unit_test(waiting_for_connections),
        cmocka_unit_test(waiting_for_the_writer),
        cmocka_unit_test(commits),
        cmocka_unit_test(work_on_the_pool),
        cmocka_unit_test(a_busy_loop_comes_first),
        cmocka_unit_test(but_sqlite_computes_on_the_loop),
        cmocka_unit_test(the_largest_share_is_told),
        cmocka_unit_test(a_share_is_never_more_than_all),
    };
    return cmocka_run_group_tests_name("app/bottleneck", tests, NULL, NULL);
}
