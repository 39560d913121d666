/* site.c - home, signing up, in and out, and the page for errors. */
#include "site/site.h"
#include "people/people.h"
#include "people_shapes.h"
#include "site_gen.h"

struct site_frame site_frame_of(struct pd_ctx *c, const char *section)
{
    return (struct site_frame){ .signed_in = c->user_id != 0,
                                .person = people_name(c),
                                .section = pd_str_c(section),
                                .flash = pd_flash_take(c) };
}

pd_status site_error_page(struct pd_ctx *c, int status, pd_str title, pd_str detail)
{
    /* Nothing is asked of the database here: it may be what failed. */
    struct site_error_view view = { .status = status, .heading = title, .detail = detail };
    return site_error_render(c, status, &view);
}

static struct site_errors errors_of(struct pd_ctx *c)
{
    return (struct site_errors){
        .form = pd_field_error_of(c, ""),
        .name = pd_field_error_of(c, "name"),
        .email = pd_field_error_of(c, "email"),
        .password = pd_field_error_of(c, "password"),
    };
}

static pd_status show_home(struct pd_ctx *c)
{
    struct site_home_view view = { .frame = site_frame_of(c, "home") };
    return site_home_render(c, 200, &view);
}

/* --- signing up ------------------------------------------------------------------------------ */

static pd_status sign_up_page(struct pd_ctx *c, int status, pd_str name, pd_str email)
{
    struct site_sign_up_view view = { .frame = site_frame_of(c, "sign-up"),
                                      .name = name,
                                      .email = email,
                                      .errors = errors_of(c) };
    return site_sign_up_render(c, status, &view);
}

static pd_status show_sign_up(struct pd_ctx *c)
{
    return c->user_id ? pd_redirect(c, "/") : sign_up_page(c, 200, PD_STR(""), PD_STR(""));
}

static pd_status take_sign_up(struct pd_ctx *c)
{
    struct people_sign_up_input in;
    if (!pd_read_form(c, people_sign_up_input, &in))
        return sign_up_page(c, 422, in.name, in.email);
    if (people_sign_up(c, &in) == PEOPLE_EMAIL_TAKEN) {
        pd_field_error(c, "email", "has an account already");
        return sign_up_page(c, 409, in.name, in.email);
    }
    pd_flash_set(c, "notice", "Welcome, %.*s.", PD_ARG(in.name));
    return pd_redirect(c, "/");
}

/* --- signing in and out ---------------------------------------------------------------------- */

static pd_status sign_in_page(struct pd_ctx *c, int status, pd_str email)
{
    struct site_sign_in_view view = { .frame = site_frame_of(c, "sign-in"),
                                      .email = email,
                                      .errors = errors_of(c) };
    return site_sign_in_render(c, status, &view);
}

static pd_status show_sign_in(struct pd_ctx *c)
{
    return c->user_id ? pd_redirect(c, "/") : sign_in_page(c, 200, PD_STR(""));
}

static pd_status take_sign_in(struct pd_ctx *c)
{
    struct people_sign_in_input in;
    if (!pd_read_form(c, people_sign_in_input, &in))
        return sign_in_page(c, 422, in.email);
    switch (people_sign_in(c, &in)) {
    case PEOPLE_WRONG:
        pd_field_error(c, "", "E-mail and password do not match.");
        return sign_in_page(c, 401, in.email);
    case PEOPLE_SLOW_DOWN:
        pd_field_error(c, "", "Too many tries. Please wait a minute.");
        return sign_in_page(c, 429, in.email);
    default: return pd_redirect(c, "/");
    }
}

static pd_status take_sign_out(struct pd_ctx *c)
{
    people_sign_out(c);
    return pd_redirect(c, "/");
}

/* pando: pages (`pando generate` adds lines above this one) */

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/", show_home, .doc = "Home" },
    { PD_GET_, "/sign-up", show_sign_up, .doc = "Sign-up form" },
    { PD_POST_, "/sign-up", take_sign_up, .doc = "Sign up" },
    { PD_GET_, "/sign-in", show_sign_in, .doc = "Sign-in form" },
    { PD_POST_, "/sign-in", take_sign_in, .doc = "Sign in" },
    { PD_POST_, "/sign-out", take_sign_out, .doc = "Sign out" },
    /* pando: routes (`pando generate` adds lines above this one) */
};

const struct pd_module site_module = {
    .name = "site",
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
