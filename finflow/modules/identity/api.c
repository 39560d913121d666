/* api.c - identity's endpoints of /api/v1. */
#include "identity/identity.h"
#include "identity_gen.h"

static pd_status sign_up(struct pd_ctx *c)
{
    struct identity_signup_input in;
    struct identity_signed_in out;
    if (!pd_read_json(c, identity_signup_input, &in))
        return pd_invalid(c);
    if (identity_sign_up(c, &in, &out) == IDENTITY_EMAIL_TAKEN)
        return pd_problem(c, 409, "email_taken", "There is already an account for this e-mail.");
    return pd_json(c, 201, identity_signed_in, &out);
}

static pd_status sign_in(struct pd_ctx *c)
{
    int wait_s;
    struct identity_login_input in;
    struct identity_signed_in out;
    if (!pd_read_json(c, identity_login_input, &in))
        return pd_invalid(c);
    switch (identity_sign_in(c, &in, &out, &wait_s)) {
    case IDENTITY_WRONG:
        return pd_problem(c, 401, "wrong_credentials", "E-mail and password do not match.");
    case IDENTITY_SLOW_DOWN:
        pd_reply_header(c, "Retry-After", pd_str_fmt(c->arena, "%d", wait_s));
        return pd_problem(c, 429, "too_many_tries", "Too many tries. Wait %d seconds.", wait_s);
    default: return pd_json(c, 200, identity_signed_in, &out);
    }
}

static pd_status sign_out(struct pd_ctx *c)
{
    identity_sign_out(c);
    return pd_no_content(c);
}

static pd_status me(struct pd_ctx *c)
{
    struct identity_me out;
    if (!identity_who(c, &out))
        return pd_not_found(c);
    return pd_json(c, 200, identity_me, &out);
}

static const struct pd_route ROUTES[] = {
    { PD_POST_, "/api/v1/signup", sign_up, .doc = "Create a person and their organisation" },
    { PD_POST_, "/api/v1/login", sign_in, .doc = "Sign in: sets the session cookie" },
    { PD_POST_, "/api/v1/logout", sign_out, .doc = "End all copies of this session" },
    { PD_GET_, "/api/v1/me", me, .auth = PD_AUTH_USER, .doc = "Who is signed in" },
};

const struct pd_module identity_module = {
    .name = "identity",
    .sql = &identity_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
