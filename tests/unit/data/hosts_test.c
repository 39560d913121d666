/* Which server is the primary, and which may be read from: the servers are played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "data/pg_hosts.h"

enum { A, B, C, SYSTEM = 7 };
#define MS INT64_C(1000)

static struct pg_cluster c;
static pd_mono now;

static struct pg_claim primary(int64_t run, uint32_t timeline, uint64_t lsn)
{
    return (struct pg_claim){ .system = SYSTEM, .lsn = lsn, .run = run, .timeline = timeline };
}

static struct pg_claim replica(int64_t run, uint32_t timeline, uint64_t lsn)
{
    struct pg_claim claim = primary(run, timeline, lsn);
    claim.standby = true;
    return claim;
}

static void hear(unsigned i, struct pg_claim claim)
{
    now += MS;
    pd_pg_heard(&c, i, &claim, now);
    (void)pd_pg_judge(&c, now);
}

static void miss(unsigned i)
{
    now += MS;
    pd_pg_unheard(&c, i, now);
    (void)pd_pg_judge(&c, now);
}

/* A is the primary, B and C follow; all are at position 100. */
static int setup(void **state)
{
    (void)state;
    now = 1000 * MS;
    pd_pg_cluster_init(&c, 3, now);
    hear(A, primary(1, 1, 100));
    hear(B, replica(2, 1, 100));
    hear(C, replica(3, 1, 100));
    assert_int_equal(c.primary, A);
    return 0;
}

static bool reads(unsigned i)
{
    return pd_pg_is_replica(&c, i, now, PG_LAG_MAX_US);
}

static void the_first_is_believed_when_all_were_asked(void **state)
{
    (void)state;
    pd_pg_cluster_init(&c, 3, now);
    hear(A, primary(1, 1, 100));
    hear(B, replica(2, 1, 100));
    assert_int_equal(c.primary, PG_NOBODY);
    miss(C);
    assert_int_equal(c.primary, A);
    assert_int_equal(c.failovers, 0);
}

static void a_promoted_one_replaces_the_primary_at_once(void **state)
{
    (void)state;
    hear(B, primary(2, 2, 110));
    assert_int_equal(c.primary, B);
    assert_int_equal(c.failovers, 1);
    assert_false(reads(A));
}

static void the_old_primary_is_never_written_to_again(void **state)
{
    (void)state;
    miss(A);
    hear(B, primary(2, 2, 110));
    const struct pg_claim back = primary(9, 1, 120); /* it has even written more */
    for (int i = 0; i < 100; i++) {
        hear(A, back);
        assert_int_equal(c.primary, i < 50 ? B : PG_NOBODY);
        assert_false(pd_pg_is_primary(&c, A, &back));
        if (i < 49)
            hear(B, primary(2, 2, 110));
        else
            now += PG_LEASE_US; /* also not when the new one is gone */
    }
}

static void a_restarted_primary_is_asked_for_only_after_all_others(void **state)
{
    (void)state;
    const struct pg_claim was = primary(1, 1, 100), is = primary(9, 1, 100);
    assert_true(pd_pg_is_primary(&c, A, &was));
    assert_false(pd_pg_is_primary(&c, A, &is)); /* a connection knows it before the prober */
    hear(A, is);
    assert_int_equal(c.primary, PG_NOBODY);
    hear(B, replica(2, 1, 100));
    miss(C);
    assert_int_equal(c.primary, PG_NOBODY); /* the question to A left before the doubt */
    hear(A, is);
    assert_int_equal(c.primary, A);
    assert_true(pd_pg_is_primary(&c, A, &is));
    assert_false(pd_pg_is_primary(&c, A, &was));
    assert_int_equal(c.failovers, 0);
}

static void a_promotion_meanwhile_is_found_by_that(void **state)
{
    (void)state;
    hear(A, primary(9, 1, 100)); /* back as it was */
    hear(A, primary(9, 1, 100));
    hear(B, primary(2, 2, 110));
    hear(C, replica(3, 1, 100));
    assert_int_equal(c.primary, B);
}

static void a_lease_ends(void **state)
{
    (void)state;
    unsigned generation = c.hosts[B].generation;
    now += PG_LEASE_US + MS;
    assert_false(pd_pg_has_primary(&c, now));
    assert_false(reads(B));
    assert_true(pd_pg_judge(&c, now));
    assert_int_equal(c.primary, PG_NOBODY);
    assert_int_equal(c.hosts[B].generation, generation + 1); /* once */
    (void)pd_pg_judge(&c, now);
    assert_int_equal(c.hosts[B].generation, generation + 1);
}

static void a_lost_primary_is_the_same_one_if_nothing_else_has_happened(void **state)
{
    (void)state;
    now += PG_LEASE_US + MS;
    (void)pd_pg_judge(&c, now);
    hear(A, primary(1, 1, 100));
    assert_int_equal(c.primary, PG_NOBODY);
    miss(B);
    miss(C);
    assert_int_equal(c.primary, A);
}

static void what_others_have_heard_fences(void **state)
{
    (void)state;
    pd_pg_fence(&c, SYSTEM + 1, 5); /* somebody else's */
    (void)pd_pg_judge(&c, now);
    assert_int_equal(c.primary, A);
    pd_pg_fence(&c, SYSTEM, 2);
    (void)pd_pg_judge(&c, now);
    assert_int_equal(c.primary, PG_NOBODY);
    hear(A, primary(1, 1, 100));
    hear(B, replica(2, 1, 100));
    hear(C, replica(3, 1, 100));
    assert_int_equal(c.primary, PG_NOBODY);
    hear(B, primary(2, 2, 110));
    assert_int_equal(c.primary, B);
}

static void a_replica_on_the_new_timeline_fences(void **state)
{
    (void)state;
    hear(C, replica(3, 2, 110)); /* it follows one that we do not reach */
    assert_int_equal(c.primary, PG_NOBODY);
}

static void one_server_under_two_names_is_one(void **state)
{
    (void)state;
    pd_pg_cluster_init(&c, 2, now);
    hear(A, primary(1, 1, 100));
    hear(B, primary(1, 1, 101));
    assert_int_equal(c.primary, A);
}

static void of_two_equal_primaries_none_is_believed_but_the_one_it_was(void **state)
{
    (void)state;
    hear(B, primary(2, 1, 100));
    assert_int_equal(c.primary, A);
    pd_pg_cluster_init(&c, 2, now);
    hear(A, primary(1, 1, 100));
    hear(B, primary(2, 1, 100));
    assert_int_equal(c.primary, PG_NOBODY);
}

static void another_cluster_is_not_used(void **state)
{
    (void)state;
    struct pg_claim stranger = primary(5, 9, 100);
    stranger.system = SYSTEM + 1;
    hear(C, stranger);
    assert_int_equal(c.primary, A);
    assert_true(c.hosts[C].foreign);
    assert_false(reads(C));
}

static void a_replica_that_lags_drops_out_and_comes_back(void **state)
{
    (void)state;
    for (uint64_t lsn = 101; lsn < 101 + 115; lsn++) {
        now += 100 * MS;
        hear(A, primary(1, 1, lsn));
        hear(B, replica(2, 1, 100));
        hear(C, replica(3, 1, lsn));
        if (lsn == 105)
            assert_true(reads(B));
        assert_true(reads(C));
    }
    assert_false(reads(B));
    hear(B, replica(2, 1, 215));
    assert_true(reads(B));
    assert_int_equal(c.hosts[B].lag_us, 0);
}

static void lag_is_the_age_of_what_is_seen(void **state)
{
    (void)state;
    now += 300 * MS;
    hear(A, primary(1, 1, 200));
    now += 300 * MS;
    hear(A, primary(1, 1, 300));
    hear(B, replica(2, 1, 250));
    assert_in_range(c.hosts[B].lag_us, 300 * MS, 310 * MS);
    assert_true(pd_pg_is_replica(&c, B, now, 400 * MS));
    assert_false(pd_pg_is_replica(&c, B, now, 200 * MS));
}

static void a_replica_left_on_the_old_timeline_is_not_read(void **state)
{
    (void)state;
    hear(B, primary(2, 2, 110));
    hear(C, replica(3, 1, 120));
    assert_false(reads(C));
    hear(C, replica(3, 2, 120));
    assert_true(reads(C));
    hear(C, replica(3, 1, 121)); /* not connected: it only says less */
    assert_true(reads(C));
    hear(C, replica(4, 1, 121)); /* another run */
    assert_false(reads(C));
}

static void reads_go_on_without_a_primary(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        now += 100 * MS;
        miss(A);
        hear(B, replica(2, 1, 100));
        hear(C, replica(3, 1, 90));
    }
    assert_int_equal(c.primary, PG_NOBODY);
    assert_true(reads(B));
}

static void a_server_that_does_not_answer_is_not_read(void **state)
{
    (void)state;
    miss(B);
    assert_false(reads(B));
    hear(B, replica(2, 1, 100));
    assert_true(reads(B));
}

static void connections_are_given_up_when_the_server_is_another(void **state)
{
    (void)state;
    unsigned generation = c.hosts[B].generation, of_old = c.hosts[A].generation;
    hear(B, replica(2, 1, 105));
    assert_int_equal(c.hosts[B].generation, generation);
    hear(B, replica(4, 1, 105)); /* restarted */
    assert_int_equal(c.hosts[B].generation, generation + 1);
    hear(B, primary(4, 2, 105)); /* promoted */
    assert_int_equal(c.hosts[B].generation, generation + 2);
    assert_int_equal(c.hosts[A].generation, of_old + 1); /* replaced */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        T(the_first_is_believed_when_all_were_asked),
        T(a_promoted_one_replaces_the_primary_at_once),
        T(the_old_primary_is_never_written_to_again),
        T(a_restarted_primary_is_asked_for_only_after_all_others),
        T(a_promotion_meanwhile_is_found_by_that),
        T(a_lease_ends),
        T(a_lost_primary_is_the_same_one_if_nothing_else_has_happened),
        T(what_others_have_heard_fences),
        T(a_replica_on_the_new_timeline_fences),
        T(one_server_under_two_names_is_one),
        T(of_two_equal_primaries_none_is_believed_but_the_one_it_was),
        T(another_cluster_is_not_used),
        T(a_replica_that_lags_drops_out_and_comes_back),
        T(lag_is_the_age_of_what_is_seen),
        T(a_replica_left_on_the_old_timeline_is_not_read),
        T(reads_go_on_without_a_primary),
        T(a_server_that_does_not_answer_is_not_read),
        T(connections_are_given_up_when_the_server_is_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
