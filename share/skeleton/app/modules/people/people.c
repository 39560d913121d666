/* people.c - signing up, in and out.
 *
 * The password is hashed before the transaction begins: hashing takes a while on another thread,
 * and nobody may hold the writer meanwhile. A try to sign in is counted, durably, before its
 * password is looked at: a thousand tries at once are a thousand tries.
 */
#include "people/people.h"
#include "people_gen.h"

enum { FREE_TRIES = 10 }; /* wrong passwords that cost nothing but time */
#define WAIT_AFTER_THEM    PD_MINUTE
#define TRIES_KEPT         PD_HOUR
#define ENDED_SESSIONS_KEPT (60 * PD_DAY) /* longer than any session cookie lives */

enum people_outcome people_sign_up(struct pd_ctx *c, const struct people_sign_up_input *in)
{
    pd_str hash, email = pd_str_lower(c->arena, in->email);
    if (pd_password_hash(c, in->password, &hash) != PD_OK)
        return PEOPLE_FAILED;
    struct people_user *user = people_user_insert(c, .email = email, .name = in->name,
                                                  .password_hash = hash,
                                                  .created_at = pd_time_now());
    if (!user)
        return pd_violated(c, "people_user.email") ? PEOPLE_EMAIL_TAKEN : PEOPLE_FAILED;
    pd_session_start(c, user->id, 0);
    return PEOPLE_OK;
}

/* --- signing in ------------------------------------------------------------------------------ */

/* Counts this try and commits that, or refuses it. */
static enum people_outcome count_try(struct pd_ctx *c, pd_str email)
{
    pd_str address = pd_client_ip(c);
    pd_time now = pd_time_now();
    if (!pd_begin(c))
        return PEOPLE_FAILED;
    people_attempts_forget(c, now - TRIES_KEPT);
    struct people_attempt *before = people_attempt_of(c, email, address);
    if (before && before->tries >= FREE_TRIES && now - before->last_at < WAIT_AFTER_THEM)
        return PEOPLE_SLOW_DOWN;
    people_attempt_add(c, email, address, now);
    return pd_commit(c) == PD_OK ? PEOPLE_OK : PEOPLE_FAILED;
}

enum people_outcome people_sign_in(struct pd_ctx *c, const struct people_sign_in_input *in)
{
    bool matches = false;
    pd_str email = pd_str_lower(c->arena, in->email);
    enum people_outcome counted = count_try(c, email);
    if (counted != PEOPLE_OK)
        return counted;
    struct people_user *user = people_user_by_email(c, email);
    pd_str hash = user ? user->password_hash : PD_STR_NULL;
    if (pd_password_verify(c, in->password, hash, &matches) != PD_OK)
        return PEOPLE_FAILED;
    if (!user || !matches)
        return PEOPLE_WRONG;
    people_attempt_forget(c, email, pd_client_ip(c));
    pd_session_start(c, user->id, 0);
    return PEOPLE_OK;
}

/* --- sessions -------------------------------------------------------------------------------- */

void people_sign_out(struct pd_ctx *c)
{
    const struct pd_session_data *session = pd_session_get(c);
    if (!session)
        return;
    pd_time now = pd_time_now();
    people_session_ends(c, session->id, now + ENDED_SESSIONS_KEPT);
    people_ended_sessions_forget(c, now);
    pd_session_end(c);
}

void people_authenticate(struct pd_ctx *c, const struct pd_session_data *session)
{
    if (!people_user_in_session(c, session->user_id, session->id))
        return;
    c->user_id = session->user_id;
    c->role = PD_ROLE_OWNER; /* everybody owns what is theirs; PD_AUTH_WRITER lets them write */
}

pd_str people_name(struct pd_ctx *c)
{
    struct people_user *user = c->user_id ? people_user_get(c, c->user_id) : NULL;
    return user ? user->name : PD_STR_NULL;
}

const struct pd_module people_module = { .name = "people", .sql = &people_sql };
