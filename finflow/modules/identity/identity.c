/* identity.c - signing up, in and out.
 *
 * Two things here are done in an unusual order, for a reason. The password is hashed before the
 * transaction begins: hashing takes some 50 ms on the offload pool, and nobody may hold the writer
 * meanwhile. And a try to sign in is counted, durably, before its password is looked at: a
 * thousand tries at once are a thousand tries, whatever becomes of them.
 */
#include "identity/identity.h"
#include "identity_gen.h"

#include <arpa/inet.h>

enum {
    FREE_TRIES = 10,   /* wrong passwords that cost nothing but time */
    FIRST_WAIT_S = 15, /* then each further one doubles the wait … */
    LONGEST_WAIT_S = 900,
};
#define TRIES_FORGOTTEN_AFTER (24 * PD_HOUR)
/* Longer than any session cookie lives: see pd_session_start. */
#define ENDED_SESSIONS_KEPT (60 * PD_DAY)

static const struct {
    pd_str name;
    enum pd_role role;
} ROLES[] = {
    { PD_STR_INIT("owner"), PD_ROLE_OWNER },
    { PD_STR_INIT("admin"), PD_ROLE_ADMIN },
    { PD_STR_INIT("accountant"), PD_ROLE_ACCOUNTANT },
    { PD_STR_INIT("viewer"), PD_ROLE_VIEWER },
};

static enum pd_role role_of(pd_str name)
{
    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++)
        if (pd_str_eq(name, ROLES[i].name))
            return ROLES[i].role;
    return PD_ROLE_NONE;
}

/* --- signing up ------------------------------------------------------------------------------ */

pd_id identity_plant(struct pd_ctx *c, struct identity_planted person)
{
    struct identity_org *org =
        identity_org_insert(c, .name = person.org_name, .created_at = person.at);
    if (!org || !identity_plant_member(c, org->id, person))
        return 0;
    return org->id;
}

bool identity_plant_member(struct pd_ctx *c, pd_id org_id, struct identity_planted person)
{
    struct identity_user *user =
        identity_user_insert(c, .email = person.email, .name = person.name,
                             .password_hash = person.password_hash, .created_at = person.at);
    if (!user)
        return false;
    return identity_member_insert(c, .user_id = user->id, .org_id = org_id, .role = person.role,
                                  .created_at = person.at);
}

enum identity_outcome identity_sign_up(struct pd_ctx *c, const struct identity_signup_input *in,
                                       struct identity_signed_in *out)
{
    pd_str hash, email = pd_str_lower(c->arena, in->email);
    if (pd_password_hash(c, in->password, &hash) != PD_OK)
        return IDENTITY_FAILED;
    pd_time now = pd_time_now();
    struct identity_user *user = identity_user_insert(c, .email = email, .name = in->name,
                                                      .password_hash = hash, .created_at = now);
    if (!user)
        return pd_violated(c, "identity_user.email") ? IDENTITY_EMAIL_TAKEN : IDENTITY_FAILED;
    struct identity_org *org = identity_org_insert(c, .name = in->name, .created_at = now);
    if (!org || !identity_member_insert(c, .user_id = user->id, .org_id = org->id,
                                        .role = PD_STR("owner"), .created_at = now))
        return IDENTITY_FAILED;
    *out = (struct identity_signed_in){ { user->id, user->email, user->name },
                                        { org->id, org->name } };
    pd_session_start(c, user->id, org->id);
    return IDENTITY_OK;
}

/* --- signing in ------------------------------------------------------------------------------ */

/* Seconds until the next try may be made; 0: now. */
static int wait_after(int64_t tries, pd_time last, pd_time now)
{
    if (tries < FREE_TRIES)
        return 0;
    int64_t doublings = tries - FREE_TRIES;
    int64_t wait = doublings > 6 ? LONGEST_WAIT_S : (int64_t)FIRST_WAIT_S << doublings;
    wait = wait < LONGEST_WAIT_S ? wait : LONGEST_WAIT_S;
    int64_t left = (last + wait * PD_SECOND - now + PD_SECOND - 1) / PD_SECOND;
    return left > 0 && now - last < TRIES_FORGOTTEN_AFTER ? (int)left : 0;
}

/* Whom tries are counted for besides the account. Of IPv6 the first half: the other one is the
 * guest's to choose, as often as they like. */
static pd_str guest_of(struct pd_ctx *c)
{
    struct in6_addr in;
    char text[INET6_ADDRSTRLEN];
    pd_str address = pd_client_ip(c);
    if (inet_pton(AF_INET6, pd_str_cstr(c->arena, address), &in) != 1 || IN6_IS_ADDR_V4MAPPED(&in))
        return address;
    memset(in.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &in, text, sizeof text);
    return pd_str_fmt(c->arena, "%s/64", text);
}

/* Counts this try and commits that, or says how long to wait. */
static enum identity_outcome count_try(struct pd_ctx *c, pd_str email, int *wait_s)
{
    pd_str address = guest_of(c);
    pd_time now = pd_time_now();
    if (!pd_begin(c))
        return IDENTITY_FAILED;
    struct identity_attempt *before = identity_attempt_of(c, email, address);
    *wait_s = before ? wait_after(before->tries, before->last_at, now) : 0;
    if (*wait_s)
        return IDENTITY_SLOW_DOWN;
    identity_attempts_forget(c, now - TRIES_FORGOTTEN_AFTER);
    identity_attempt_add(c, email, address, now, now - TRIES_FORGOTTEN_AFTER);
    return pd_commit(c) == PD_OK ? IDENTITY_OK : IDENTITY_FAILED;
}

enum identity_outcome identity_sign_in(struct pd_ctx *c, const struct identity_login_input *in,
                                       struct identity_signed_in *out, int *wait_s)
{
    bool matches = false;
    pd_str email = pd_str_lower(c->arena, in->email);
    enum identity_outcome counted = count_try(c, email, wait_s);
    if (counted != IDENTITY_OK)
        return counted;
    struct identity_user *user = identity_user_by_email(c, email);
    if (pd_password_verify(c, in->password, user ? user->password_hash : PD_STR_NULL, &matches) !=
        PD_OK)
        return IDENTITY_FAILED;
    if (!matches)
        return c->failed ? IDENTITY_FAILED : IDENTITY_WRONG;
    struct identity_home_of_user_row *home = identity_home_of_user(c, user->id);
    if (!home)
        return c->failed ? IDENTITY_FAILED : IDENTITY_WRONG;
    identity_attempt_forget(c, email, guest_of(c));
    *out = (struct identity_signed_in){ { user->id, user->email, user->name },
                                        { home->org_id, home->name } };
    pd_session_start(c, user->id, home->org_id);
    return IDENTITY_OK;
}

/* --- sessions -------------------------------------------------------------------------------- */

void identity_sign_out(struct pd_ctx *c)
{
    const struct pd_session_data *session = pd_session_get(c);
    if (!session)
        return;
    pd_time now = pd_time_now();
    identity_session_ends(c, session->id, now + ENDED_SESSIONS_KEPT);
    identity_ended_sessions_forget(c, now);
    pd_session_end(c);
}

void identity_authenticate(struct pd_ctx *c, const struct pd_session_data *session)
{
    struct identity_member_in_session_row *member =
        identity_member_in_session(c, session->user_id, session->org_id, session->id);
    if (!member)
        return;
    c->user_id = session->user_id;
    c->org_id = session->org_id;
    c->role = role_of(member->role);
}

bool identity_who(struct pd_ctx *c, struct identity_me *out)
{
    struct identity_person_row *p = identity_person(c, c->user_id, c->org_id);
    if (!p)
        return false;
    *out =
        (struct identity_me){ { p->id, p->email, p->name }, { p->org_id, p->org_name }, p->role };
    return true;
}
