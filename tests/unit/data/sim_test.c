/* The layer in simulation: every order of wake-ups and of offloaded commits that the seed draws
 * keeps the sum of transfers, and the same seed gives the same run. */
#include "data_test.h"
#include "os/sim.h"

enum { SEEDS = 20, CLIENTS = 12, ROUNDS = 6, ACCOUNTS = 4 };

static unsigned lost;

struct client {
    struct pd_db *db;
    int number;
};

static void transfer(struct client *cl, int round)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, cl->db);
    pd_id from = 1 + (cl->number + round) % ACCOUNTS,
          to = 1 + (cl->number + 2 * round + 1) % ACCOUNTS;
    change(c, from, -7);
    change(c, to, 7);
    if (pd_commit(c) != PD_OK)
        lost++;
    unit_end(&u);
    if (sum_fresh(cl->db) != ACCOUNTS * 100)
        fail_msg("seed %llu: the sum has changed", (unsigned long long)pd_sim_seed());
}

static void client_run(void *arg)
{
    for (int round = 0; round < ROUNDS; round++)
        transfer(arg, round);
}

static void scenario(struct pd_db *db)
{
    struct client clients[CLIENTS];
    struct pd_group g;
    seed(db, ACCOUNTS);
    pd_fault_set(PD_FAULT_data_write, pd_sim_seed() % 40, PD_FAULT_ONCE);
    pd_fault_set(PD_FAULT_commit_fails, pd_sim_seed() % 5, PD_FAULT_ONCE);
    pd_group_init(&g);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ db, i };
        die_of(pd_group_go(&g, "client", client_run, &clients[i]));
    }
    die_of(pd_group_wait(&g));
    assert_true(lost > 0); /* faults were met */
    die_of(pd_db_check(db));
}

static uint64_t run_seed(uint64_t seed_)
{
    dir_setup(NULL);
    lost = 0;
    pd_sim_begin(seed_, &pd_sim_rough);
    with_db(scenario);
    uint64_t hash = pd_sim_trace_hash();
    dir_teardown(NULL);
    return hash;
}

static void test_seeds_keep_the_sum(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= SEEDS; s++)
        run_seed(s);
}

static void test_the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    assert_true(run_seed(7) == run_seed(7));
    assert_true(run_seed(7) != run_seed(8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_keep_the_sum),
        cmocka_unit_test(test_the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests_name("data/sim", tests, NULL, NULL);
}
