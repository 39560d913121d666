/* people.c - signing up, in and out. */
#include "people/people.h"
#include "people_gen.h"

#include <stdio.h>

enum { PASSWORD_MIN = 12, PASSWORD_MAX = 200 }; /* as in shapes.h */

/* --- signing up ------------------------------------------------------------------------------ */

static pd_status me_reply(struct pd_ctx *c, int status, pd_id id, pd_str name, bool librarian)
{
    struct people_me me = { id, name, librarian };
    return pd_json(c, status, people_me, &me);
}

static pd_status sign_up(struct pd_ctx *c)
{
    pd_str hash;
    struct people_sign_up_input in;
    if (!pd_read_json(c, people_sign_up_input, &in))
        return pd_invalid(c);
    if (pd_password_hash(c, in.password, &hash) != PD_OK)
        return pd_invalid(c);
    struct people_user *user =
        people_user_insert(c, .email = pd_str_lower(c->arena, in.email), .name = in.name,
                           .password_hash = hash, .created_at = pd_time_now());
    if (!user && pd_violated(c, "people_user.email")) {
        pd_field_error(c, "email", "has an account already");
        return pd_invalid(c);
    }
    if (!user)
        return pd_invalid(c);
    pd_session_start(c, user->id, 0);
    return me_reply(c, 201, user->id, user->name, false);
}

/* --- sessions -------------------------------------------------------------------------------- */

static pd_status sign_in(struct pd_ctx *c)
{
    bool matches = false;
    struct people_sign_in_input in;
    if (!pd_read_json(c, people_sign_in_input, &in))
        return pd_invalid(c);
    struct people_user *user = people_user_by_email(c, pd_str_lower(c->arena, in.email));
    pd_str hash = user ? user->password_hash : PD_STR_NULL;
    if (pd_password_verify(c, in.password, hash, &matches) != PD_OK || !user || !matches)
        return pd_problem(c, 401, "wrong_password", "E-mail and password do not match.");
    pd_session_start(c, user->id, 0);
    return me_reply(c, 200, user->id, user->name, user->librarian);
}

static pd_status sign_out(struct pd_ctx *c)
{
    const struct pd_session_data *session = pd_session_get(c);
    if (session)
        people_session_end(c, session->id, pd_time_now());
    pd_session_end(c);
    return pd_no_content(c);
}

void people_authenticate(struct pd_ctx *c, const struct pd_session_data *session)
{
    struct people_user_in_session_row *user =
        people_user_in_session(c, session->user_id, session->id);
    if (!user)
        return;
    c->user_id = user->id;
    c->role = user->librarian ? PD_ROLE_ADMIN : PD_ROLE_VIEWER;
}

/* --- commands -------------------------------------------------------------------------------- */

/* Standard input, so that the password is in no history and no list of processes. */
static bool read_password(struct pd_ctx *c, pd_str *out)
{
    char line[PASSWORD_MAX + 2];
    if (!fgets(line, sizeof line, stdin))
        return false;
    *out = pd_str_dup(c->arena, pd_str_trim(pd_str_c(line)));
    return out->len >= PASSWORD_MIN;
}

static int librarian_command(struct pd_ctx *c, int argc, char **argv)
{
    pd_str password, hash;
    if (argc != 3 || !read_password(c, &password)) {
        fprintf(stderr, "usage: shelf librarian EMAIL NAME <password\n");
        return 64;
    }
    if (pd_password_hash(c, password, &hash) != PD_OK)
        return 70;
    people_user_insert(c, .email = pd_str_lower(c->arena, pd_str_c(argv[1])),
                       .name = pd_str_c(argv[2]), .password_hash = hash, .librarian = PD_SOME(true),
                       .created_at = pd_time_now());
    if (pd_violated(c, "people_user.email")) {
        fprintf(stderr, "shelf librarian: %s has an account already\n", argv[1]);
        return 73;
    }
    if (pd_commit(c) != PD_OK)
        return 74; /* the platform says why */
    printf("%s is a librarian\n", argv[2]);
    return 0;
}

static const struct pd_route ROUTES[] = {
    { PD_POST_, "/api/sign-up", sign_up, .doc = "Sign up" },
    { PD_POST_, "/api/sign-in", sign_in, .doc = "Sign in: sets the session cookie" },
    { PD_POST_, "/api/sign-out", sign_out, .doc = "End all copies of this session" },
};

static const struct pd_command COMMANDS[] = {
    { "librarian", "EMAIL NAME <password", "Add somebody who may change the catalogue",
      librarian_command },
};

const struct pd_module people_module = {
    .name = "people",
    .sql = &people_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
    .commands = COMMANDS,
    .ncommands = sizeof COMMANDS / sizeof COMMANDS[0],
};
