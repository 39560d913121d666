/* identity.h - who may come in: people, organisations, sessions.
 *
 *     struct identity_signed_in who;
 *     switch (identity_sign_in(c, &in, &who)) { … }
 *
 * Passwords are argon2id hashes. A session is a sealed cookie; what is stored is only the end of
 * one, so that signing out ends every copy of it on every instance. Tries to sign in are counted
 * per account and address (of IPv6 a /64) in the database: after a few wrong ones each further try
 * has to wait longer.
 *
 * All functions yield.
 */
#ifndef FINFLOW_IDENTITY_H
#define FINFLOW_IDENTITY_H

#include <pando/pando.h>
#include "identity/shapes.h"

enum identity_outcome {
    IDENTITY_OK,
    IDENTITY_EMAIL_TAKEN,
    IDENTITY_WRONG,     /* e-mail or password; which one is not said */
    IDENTITY_SLOW_DOWN, /* too many tries: see wait_s */
    IDENTITY_FAILED,    /* the context has failed */
};

/* Creates a person with an organisation of their own and signs them in. */
enum identity_outcome identity_sign_up(struct pd_ctx *c, const struct identity_signup_input *in,
                                       struct identity_signed_in *out);
/* An unknown e-mail takes the same time as a wrong password. `wait_s` only with SLOW_DOWN. */
enum identity_outcome identity_sign_in(struct pd_ctx *c, const struct identity_login_input *in,
                                       struct identity_signed_in *out, int *wait_s);
/* Ends the session of this request and all copies of it. Fine if nobody is signed in. */
void identity_sign_out(struct pd_ctx *c);

/* Whoever asks. False if nobody is signed in or the context failed. */
bool identity_who(struct pd_ctx *c, struct identity_me *out);

/* The platform's hook: decides who asks, from a valid session cookie. One statement. */
void identity_authenticate(struct pd_ctx *c, const struct pd_session_data *session);

/* For the seed: a person with a hash made before, who owns an organisation of that name.
 * Returns the organisation's id; 0 if the context failed. */
pd_id identity_plant(struct pd_ctx *c, struct identity_planted person);
/* One more member of an organisation. */
bool identity_plant_member(struct pd_ctx *c, pd_id org_id, struct identity_planted person);

extern const struct pd_module identity_module;

#endif
