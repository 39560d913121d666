/* people.c - landing, signing up, in and out. */
#include "web/pages.h"

#include "seed/seed.h"

pd_status web_show_landing(struct pd_ctx *c)
{
    if (c->user_id)
        return pd_redirect(c, "/dashboard");
    struct web_landing_view view = { .frame = web_frame_of(c, "") };
    return web_landing_render(c, 200, &view);
}

/* --- signing up ------------------------------------------------------------------------------ */

static pd_status signup_page(struct pd_ctx *c, int status, struct web_signup_form form)
{
    struct web_signup_view view = { .frame = web_frame_of(c, ""),
                                    .form = form,
                                    .errors = web_errors_of(c) };
    return web_signup_render(c, status, &view);
}

pd_status web_show_signup(struct pd_ctx *c)
{
    if (c->user_id)
        return pd_redirect(c, "/dashboard");
    return signup_page(c, 200, (struct web_signup_form){ 0 });
}

pd_status web_take_signup(struct pd_ctx *c)
{
    struct identity_signup_input in;
    struct identity_signed_in who;
    bool valid = pd_read_form(c, identity_signup_input, &in);
    struct web_signup_form form = { .email = in.email, .name = in.name };
    if (!valid)
        return signup_page(c, 422, form);
    if (identity_sign_up(c, &in, &who) == IDENTITY_EMAIL_TAKEN) {
        pd_field_error(c, "email", "There is already an account for this e-mail.");
        return signup_page(c, 409, form);
    }
    return pd_redirect(c, "/dashboard");
}

/* --- signing in and out ---------------------------------------------------------------------- */

static pd_status login_page(struct pd_ctx *c, int status, pd_str email)
{
    struct web_login_view view = {
        .frame = web_frame_of(c, ""),
        .form = { .email = email },
        .errors = web_errors_of(c),
        .show_demo = pd_is_development(),
        .demo_email = PD_STR(SEED_DEMO_EMAIL),
        .demo_password = PD_STR(SEED_PASSWORD),
    };
    return web_login_render(c, status, &view);
}

pd_status web_show_login(struct pd_ctx *c)
{
    if (c->user_id)
        return pd_redirect(c, "/dashboard");
    return login_page(c, 200, PD_STR_NULL);
}

pd_status web_take_login(struct pd_ctx *c)
{
    int wait_s;
    struct identity_login_input in;
    struct identity_signed_in who;
    bool valid = pd_read_form(c, identity_login_input, &in);
    enum identity_outcome outcome =
        valid ? identity_sign_in(c, &in, &who, &wait_s) : IDENTITY_WRONG;
    switch (outcome) {
    case IDENTITY_WRONG:
        pd_field_error(c, "", "E-mail and password do not match.");
        return login_page(c, 401, in.email);
    case IDENTITY_SLOW_DOWN:
        pd_reply_header(c, "Retry-After", pd_str_fmt(c->arena, "%d", wait_s));
        pd_field_error(c, "", "Too many tries. Please wait %d seconds.", wait_s);
        return login_page(c, 429, in.email);
    default: return pd_redirect(c, "/dashboard");
    }
}

pd_status web_take_logout(struct pd_ctx *c)
{
    identity_sign_out(c);
    return pd_redirect(c, "/");
}
