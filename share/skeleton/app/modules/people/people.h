/* people.h - who may come in: signing up, in and out.
 *
 * Passwords are argon2id hashes. A session is a sealed cookie; what is stored is only the end of
 * one, so that signing out ends every copy of it. Tries to sign in are counted per e-mail and
 * address: after some wrong ones each further one has to wait.
 *
 * All functions yield.
 */
#ifndef PEOPLE_H
#define PEOPLE_H

#include <pando/pando.h>
#include "people/shapes.h"

enum people_outcome {
    PEOPLE_OK,
    PEOPLE_EMAIL_TAKEN,
    PEOPLE_WRONG,     /* e-mail or password; which one is not said */
    PEOPLE_SLOW_DOWN, /* too many tries */
    PEOPLE_FAILED,    /* the context has failed */
};

/* Creates a person and signs them in. */
enum people_outcome people_sign_up(struct pd_ctx *c, const struct people_sign_up_input *in);
/* An unknown e-mail takes the same time as a wrong password. */
enum people_outcome people_sign_in(struct pd_ctx *c, const struct people_sign_in_input *in);
/* Ends this request's session and all copies of it. Fine if nobody is signed in. */
void people_sign_out(struct pd_ctx *c);

/* The name of whoever asks; null if nobody is signed in. */
pd_str people_name(struct pd_ctx *c);

/* The platform's hook: decides who asks, from a valid session cookie. One statement. */
void people_authenticate(struct pd_ctx *c, const struct pd_session_data *session);

extern const struct pd_module people_module;

#endif
