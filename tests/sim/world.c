/* world.c - see world.h.
 *
 * Every client keeps a diary: for each transfer what it asked for and what it was told. Told "201"
 * or "200" the transfer must be there exactly once; told "no" (4xx, 5xx but 503) it must not be;
 * told nothing (a reset, a timeout, 503) it may be there once or not at all, and asking again with
 * the same id must settle it. The last answer counts.
 */
#include "world.h"

#include "app/serve.h"
#include "base/fault.h"
#include "base/map.h"
#include "finflow/app.h"
#include "oracle.h"
#include "os/sim.h"
#include "sim_client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PORT = 8080, ORGS = 2, CLIENTS_PER_ORG = 3, ACCOUNTS = 3, STEPS = 14 };

/* The longest of the first three hundred worlds takes 2,082 polls, and another 41 seconds. */
enum { MOST_POLLS = 100000 };
#define MOST_TIME (2 * PD_HOUR)

struct org {
    char email[64];
    char canary[48]; /* in everything that this organisation writes */
    char memo[141];  /* the canary as often as it fits: some thirty entries are a page of 8 KiB */
    const struct org *other;
    char accounts[ACCOUNTS][24];
    bool ready;
};

struct actor { /* one client fiber */
    struct world *world;
    struct org *org;
    struct sim_client client;
    bool browses; /* asks for what may be so big that a slow connection takes longer than we wait */
};

struct world {
    bool planted;
    char url[300];
    struct pd_instance *instance;
    struct org orgs[ORGS];
    struct actor actors[ORGS * CLIENTS_PER_ORG];
    struct oracle_op ops[ORGS * CLIENTS_PER_ORG * STEPS];
    unsigned nops;
    bool over;
    struct world_result *result;
};

/* --- talking to the server
 * ------------------------------------------------------------------------- */

static void give_up(struct actor *a, const char *what)
{
    struct world_result *r = a->world->result;
    if (r->broken++ == 0)
        snprintf(r->first, sizeof r->first, "%s does not succeed", what);
}

/* After a talk with the server, however it ended: nobody may have seen a word of others. */
static pd_err settled(struct actor *a, pd_err e)
{
    if (a->client.betrayed)
        give_up(a, "keeping organisations apart");
    a->client.betrayed = false;
    if (e != PD_OK) {
        sim_client_close(&a->client);
        a->world->result->transport_errors++;
    }
    return e;
}

/* Whatever goes wrong, what is small is answered in the time that clients have, or the connection
 * breaks: else somebody waits for what never comes. */
static pd_err call(struct actor *a, const char *method, const char *path, pd_str body,
                   struct sim_answer *out)
{
    pd_mono old = pd_deadline_within(8 * PD_SECOND);
    pd_err e = a->client.open ? PD_OK : sim_client_open(&a->client, PORT);
    if (e == PD_OK)
        e = sim_client_call(&a->client, method, path, body, out);
    pd_deadline_restore(old);
    if (e == PD_ETIME && !a->browses)
        give_up(a, "answering in time");
    return settled(a, e);
}

/* Tries until there is an answer that means something; for requests that may be repeated. */
static bool insist(struct actor *a, const char *method, const char *path, pd_str body,
                   struct sim_answer *out)
{
    for (unsigned i = 0; i < 60; i++) {
        if (call(a, method, path, body, out) == PD_OK && out->status < 500)
            return true;
        (void)!pd_sleep((int64_t)(1 + i) * 20000);
    }
    return false;
}

/* --- setting up an organisation
 * -------------------------------------------------------------------------- */

static bool sign_in(struct actor *a)
{
    char body[256];
    struct sim_answer got;
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"correct horse battery\"}",
             a->org->email);
    for (unsigned i = 0; i < 40; i++) {
        if (insist(a, "POST", "/api/v1/login", pd_str_c(body), &got) && got.status == 200)
            return true;
        (void)!pd_sleep(2 * PD_MINUTE); /* slowed down for guessing: answers were lost on the way */
    }
    return false;
}

/* The answer to a sign-up may get lost: then the e-mail is taken, by us. */
static bool sign_up(struct actor *a)
{
    char body[256];
    struct sim_answer got;
    snprintf(body, sizeof body,
             "{\"email\":\"%s\",\"password\":\"correct horse battery\",\"name\":\"%s\"}",
             a->org->email, a->org->canary);
    if (!insist(a, "POST", "/api/v1/signup", pd_str_c(body), &got))
        return false;
    return got.status == 201 || (got.status == 409 && sign_in(a));
}

static bool open_account(struct actor *a, unsigned i)
{
    struct sim_answer got;
    char body[200];
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"currency\":\"EUR\",\"kind\":\"checking\"}",
             a->org->canary);
    if (!insist(a, "POST", "/api/v1/accounts", pd_str_c(body), &got) || got.status != 201)
        return false;
    pd_str id = sim_json_value(got.body, "id");
    snprintf(a->org->accounts[i], sizeof a->org->accounts[i], "%.*s", PD_ARG(id));
    char path[64];
    snprintf(path, sizeof path, "/api/v1/accounts/%.*s/deposits", PD_ARG(id));
    snprintf(body, sizeof body, "{\"amount\":1000,\"memo\":\"%s\"}", a->org->memo);
    return insist(a, "POST", path, pd_str_c(body), &got) && got.status == 201;
}

static void found(struct actor *a)
{
    bool ok = sign_up(a);
    for (unsigned i = 0; ok && i < ACCOUNTS; i++)
        ok = open_account(a, i);
    a->org->ready = ok;
    if (!ok)
        give_up(a, "setting up an organisation");
}

/* --- moving money
 * ---------------------------------------------------------------------------------------------- */

static struct oracle_op *plan_transfer(struct actor *a)
{
    struct oracle_op *op = &a->world->ops[a->world->nops++];
    uint64_t high = pd_sim_random(UINT64_MAX), low = pd_sim_random(UINT64_MAX);
    for (unsigned i = 0; i < 8; i++) {
        op->id.b[i] = (uint8_t)(high >> 8 * i);
        op->id.b[8 + i] = (uint8_t)(low >> 8 * i);
    }
    op->id.b[6] = (uint8_t)((op->id.b[6] & 0x0f) | 0x40);
    op->id.b[8] = (uint8_t)((op->id.b[8] & 0x3f) | 0x80);
    unsigned from = (unsigned)pd_sim_random(ACCOUNTS);
    unsigned to = (from + 1 + (unsigned)pd_sim_random(ACCOUNTS - 1)) % ACCOUNTS;
    op->from = atoll(a->org->accounts[from]);
    op->to = atoll(a->org->accounts[to]);
    op->amount = 1 + (int64_t)pd_sim_random(700);
    return op;
}

static enum oracle_told told(const struct sim_answer *got)
{
    if (got->status == 201 || got->status == 200)
        return TOLD_DONE;
    return got->status == 503 ? TOLD_NOTHING : TOLD_NO;
}

/* What was acknowledged is there for whoever asks next. */
static void read_own_write(struct actor *a, const char *id)
{
    char path[96];
    struct sim_answer got;
    snprintf(path, sizeof path, "/api/v1/transfers/%s", id);
    if (call(a, "GET", path, PD_STR_NULL, &got) == PD_OK && got.status == 404)
        give_up(a, "reading one's own write");
}

/* The one reason to refuse a transfer: there is less on the account. */
static bool is_short(const struct sim_answer *got)
{
    return pd_str_eq(sim_json_value(got->body, "code"), PD_STR("insufficient_funds"));
}

/* Whether that settles it. A failure (500) stored nothing, but may not last: it is asked again. */
static bool try_transfer(struct actor *a, struct oracle_op *op, pd_str body)
{
    struct sim_answer got;
    op->told = TOLD_NOTHING;
    if (call(a, "POST", "/api/v1/transfers", body, &got) != PD_OK)
        return false;
    op->told = told(&got);
    if (got.status >= 400 && got.status < 500 && !is_short(&got))
        give_up(a, "a transfer that is in order");
    return op->told != TOLD_NOTHING && got.status < 500;
}

/* What is done stays done, and asking for it again is no fault. */
static void repeat(struct actor *a, pd_str body)
{
    struct sim_answer got;
    if (call(a, "POST", "/api/v1/transfers", body, &got) == PD_OK && got.status != 200 &&
        got.status < 500)
        give_up(a, "asking again for what is done");
}

static void transfer(struct actor *a)
{
    struct oracle_op *op = plan_transfer(a);
    char body[400], id[PD_UUID_TEXT];
    pd_uuid_format(op->id, id);
    snprintf(body, sizeof body,
             "{\"id\":\"%s\",\"from\":\"%lld\",\"to\":\"%lld\",\"amount\":%lld,\"currency\":"
             "\"EUR\",\"memo\":\"%s\"}",
             id, (long long)op->from, (long long)op->to, (long long)op->amount, a->org->memo);
    bool again = pd_sim_chance(700); /* some clients never come back to ask */
    bool over = false;
    for (unsigned tries = 0; tries < (again ? 20u : 1u) && !over; tries++)
        over = try_transfer(a, op, pd_str_c(body));
    if (again && !over && op->told == TOLD_NO)
        give_up(a, "a transfer asked for twenty times");
    if (op->told == TOLD_DONE && pd_sim_chance(100))
        repeat(a, pd_str_c(body));
    if (op->told == TOLD_DONE && pd_sim_chance(300))
        read_own_write(a, id);
}

/* A page ends as pages do, a list as objects do; what lists the accounts names them. */
static bool whole(const struct actor *a, const struct sim_answer *got)
{
    pd_str body = pd_str_trim(got->body);
    if (pd_str_starts(body, PD_STR("<!")))
        return pd_str_ends(body, PD_STR("</html>"));
    if (got->status != 200)
        return true;
    bool accounts = pd_str_find_str(body, PD_STR("\"currency\"")) != PD_NPOS;
    return pd_str_starts(body, PD_STR("{")) && pd_str_ends(body, PD_STR("}")) &&
           (!accounts || pd_str_find_str(body, pd_str_c(a->org->canary)) != PD_NPOS);
}

/* Whether it can be the answer to that question: the API speaks JSON, a page is one, and what does
 * not exist is not there. */
static bool fits(const char *path, const struct sim_answer *got)
{
    if (got->body.len == 0 || got->status >= 500)
        return true;
    bool api = strncmp(path, "/api/", 5) == 0;
    bool json = pd_str_starts(got->body, PD_STR("{"));
    bool absent = strstr(path, "nothing") || strstr(path, "/accounts/"); /* of the others */
    return json == api && (got->status != 404 || absent) && (got->status != 200 || !absent);
}

static void check_answer(struct actor *a, const char *path, const struct sim_answer *got)
{
    if (!whole(a, got))
        give_up(a, "answering in full");
    if (!fits(path, got))
        give_up(a, "answering what was asked");
}

static pd_err browse_at_once(struct actor *a, const char *const *paths, unsigned n)
{
    struct sim_answer got;
    PD_TRY(sim_client_pipeline(&a->client, paths, n));
    for (unsigned i = 0; i < n; i++) {
        PD_TRY(sim_client_next(&a->client, &got));
        check_answer(a, paths[i], &got);
    }
    return PD_OK;
}

/* Pages and lists in every manner of asking: one by one, revalidating, pipelined, given up. Some
 * are so big that they are sent from where they were made (BIG_BODY in src/http/reply.c). Most of
 * it is full of the organisation's canary; some of it does not exist or belongs to the other. */
static void browse(struct actor *a)
{
    static const char *const paths[] = {
        "/api/v1/transactions?limit=5",
        "/api/v1/transactions?limit=100",
        "/api/v1/accounts",
        "/",
        "/accounts",
        "/transactions",
        "/api/v1/nothing",
        "/nothing",
    };
    enum { PATHS = sizeof paths / sizeof paths[0] };
    char theirs[64];
    const char *three[3];
    struct sim_answer got;
    snprintf(theirs, sizeof theirs, "/api/v1/accounts/%s", a->org->other->accounts[0]);
    for (unsigned i = 0; i < 3; i++)
        three[i] = pd_sim_chance(150) ? theirs : paths[pd_sim_random(PATHS)];
    a->client.headers = pd_sim_chance(300) ? "If-None-Match: \"0\", *\r\n" : NULL;
    if (!a->client.open && sim_client_open(&a->client, PORT) != PD_OK)
        return;
    pd_mono old = pd_deadline_within(8 * PD_SECOND);
    switch (pd_sim_random(4)) {
    case 0: (void)!settled(a, browse_at_once(a, three, 3)); break;
    case 1: sim_client_abandon(&a->client, "GET", three[0], PD_STR_NULL); break;
    case 2: sim_client_abandon(&a->client, "POST", "/api/v1/transfers", PD_STR("{\"id\":")); break;
    default:
        if (call(a, "GET", three[0], PD_STR_NULL, &got) == PD_OK)
            check_answer(a, three[0], &got);
        break;
    }
    pd_deadline_restore(old);
    a->client.headers = NULL;
}

/* Whoever asks must be answered with their own data. */
static void look(struct actor *a)
{
    struct sim_answer got;
    if (call(a, "GET", "/api/v1/me", PD_STR_NULL, &got) != PD_OK || got.status != 200)
        return;
    if (!pd_str_eq(sim_json_value(got.body, "email"), pd_str_c(a->org->email)))
        give_up(a, "keeping users apart");
    a->browses = true;
    browse(a);
    a->browses = false;
}

static void act(void *arg)
{
    struct actor *a = arg;
    if (!sign_in(a)) {
        give_up(a, "signing in");
        return;
    }
    for (unsigned i = 0; i < STEPS; i++) {
        (void)!pd_sleep((int64_t)pd_sim_random(60000));
        if (pd_sim_chance(750))
            transfer(a);
        else
            look(a);
    }
    sim_client_close(&a->client);
}

/* --- trouble
 * ------------------------------------------------------------------------------------------------------
 */

/* Sends half a request very slowly, or nonsense; the others must not notice. */
static void pest(void *arg)
{
    struct world *w = arg;
    while (!w->over) {
        struct sim_client *cl = calloc(1, sizeof *cl);
        if (!cl)
            pd_panic("out of memory");
        pd_mono old = pd_deadline_within(PD_MINUTE);
        if (sim_client_open(cl, PORT) == PD_OK) {
            pd_str text = pd_sim_chance(500)
                              ? PD_STR("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: aaaaaaaaaaaaaaaaaa")
                              : PD_STR("\x16\x03\x01 nonsense\r\n\r\n");
            (void)!sim_client_trickle(cl, text, 3, 300000);
        }
        pd_deadline_restore(old);
        sim_client_close(cl);
        free(cl);
        (void)!pd_sleep(200000);
    }
}

/* Now and then a write of the database fails in the middle of a transaction, or its commit: for
 * certain, or so that nobody knows. */
static void gremlin(void *arg)
{
    struct world *w = arg;
    while (!w->over) {
        (void)!pd_sleep((int64_t)(50000 + pd_sim_random(150000)));
        static const enum pd_fault faults[] = { PD_FAULT_data_write, PD_FAULT_data_write,
                                                PD_FAULT_commit_fails, PD_FAULT_commit_lost };
        pd_fault_set(faults[pd_sim_random(4)], (unsigned)pd_sim_random(6), PD_FAULT_ONCE);
    }
    pd_fault_reset();
}

/* --- the run
 * -----------------------------------------------------------------------------------------------------------
 */

static void org_init(struct world *w, unsigned o)
{
    struct org *org = &w->orgs[o];
    snprintf(org->email, sizeof org->email, "org%u@example.com", o);
    snprintf(org->canary, sizeof org->canary, "canary%u%016llx", o,
             (unsigned long long)pd_sim_random(UINT64_MAX));
    size_t n = strlen(org->canary);
    for (size_t at = 0; at + n < sizeof org->memo; at += n)
        memcpy(org->memo + at, org->canary, n);
    org->other = &w->orgs[(o + 1) % ORGS];
}

static void actor_init(struct world *w, unsigned i)
{
    struct actor *a = &w->actors[i];
    a->world = w;
    a->org = &w->orgs[i / CLIENTS_PER_ORG];
    a->client.foreign = a->org->other->canary;
}

static pd_err clients(struct world *w)
{
    struct pd_group actors, trouble;
    pd_group_init(&actors);
    pd_group_init(&trouble);
    for (unsigned o = 0; o < ORGS; o++)
        org_init(w, o);
    for (unsigned o = 0; o < ORGS; o++) {
        actor_init(w, o * CLIENTS_PER_ORG);
        found(&w->actors[o * CLIENTS_PER_ORG]);
        if (!w->orgs[o].ready)
            return PD_OK;
    }
    if (w->planted)
        pd_fault_set(PD_FAULT_data_skip_rollback, 0, PD_FAULT_FOREVER);
    PD_TRY(pd_group_go(&trouble, "pest", pest, w));
    PD_TRY(pd_group_go(&trouble, "gremlin", gremlin, w));
    for (unsigned i = 0; i < ORGS * CLIENTS_PER_ORG; i++) {
        actor_init(w, i);
        PD_TRY(pd_group_go(&actors, "client", act, &w->actors[i]));
    }
    PD_TRY(pd_group_wait(&actors));
    w->over = true;
    return pd_group_wait(&trouble);
}

static pd_err world_fiber(void *arg)
{
    struct world *w = arg;
    const char *const settings[] = { w->url, "PANDO_ENV=test",
                                     "SECRET_KEY=0123456789abcdef0123456789abcdef",
                                     "ACCESS_LOG=off", "DRAIN_SECONDS=5" };
    struct pd_config *cfg;
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4, .port = PORT, .ip = { 127, 0, 0, 1 } };
    PD_TRY(pd_config_from(&finflow_app, settings, sizeof settings / sizeof settings[0], &cfg));
    PD_TRY(pd_instance_open(&finflow_app, cfg, PD_OPEN_SERVE, &w->instance));
    int listener = pd_os_listen(&addr, NULL);
    pd_assert(listener >= 0);
    PD_TRY(pd_instance_attach(w->instance, listener));
    pd_err e = clients(w);
    w->over = true;
    bool drained = pd_instance_drain(w->instance);
    pd_assert(drained);
    pd_instance_close(w->instance);
    pd_config_free(cfg);
    return e;
}

void world_run(uint64_t seed, const char *dir, bool planted, struct world_result *out)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        pd_panic("out of memory");
    *out = (struct world_result){ 0 };
    w->planted = planted;
    w->result = out;
    snprintf(w->url, sizeof w->url, "DATABASE_URL=sqlite:%s/finflow.db", dir);
    pd_map_seed(seed, ~seed);
    pd_sim_begin(seed, &pd_sim_rough);
    pd_sim_limit(MOST_POLLS, MOST_TIME);
    pd_log_clock(pd_os_clock);
    int log = getenv("PANDO_SIM_LOG") ? 2 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    pd_log_start(&(struct pd_log_opts){ .fd = log, .sync = true });
    pd_err e = pd_loop_main(&(struct pd_loop_opts){ .name = "world" }, world_fiber, w);
    out->hash = pd_sim_trace_hash();
    if (e != PD_OK && out->broken++ == 0)
        snprintf(out->first, sizeof out->first, "the world ends with %s: %.200s", pd_err_name(e),
                 pd_diag()->message);
    for (unsigned i = 0; i < w->nops; i++) {
        out->acknowledged += w->ops[i].told == TOLD_DONE;
        out->refused += w->ops[i].told == TOLD_NO;
        out->unknown += w->ops[i].told == TOLD_NOTHING;
    }
    oracle_judge(w->url + strlen("DATABASE_URL=sqlite:"), w->ops, w->nops, &out->broken, out->first,
                 sizeof out->first);
    free(w);
}
