/* shapes.h - what identity reads and writes. */
#ifndef FINFLOW_IDENTITY_SHAPES_H
#define FINFLOW_IDENTITY_SHAPES_H

#include <pando/shape.h>

struct identity_signup_input {
    pd_str email;    // @email @trim
    pd_str password; // @len 12 200
    pd_str name;     // @trim @len 1 100
};

struct identity_login_input {
    pd_str email;    // @trim @len 1 254
    pd_str password; // @len 1 200
};

struct identity_user_view {
    pd_id id;
    pd_str email;
    pd_str name;
};

struct identity_org_view {
    pd_id id;
    pd_str name;
};

struct identity_signed_in {
    struct identity_user_view user;
    struct identity_org_view org;
};

struct identity_me {
    struct identity_user_view user;
    struct identity_org_view org;
    pd_str role;
};

/* Somebody made by the seed. */
struct identity_planted {
    pd_str email, name, password_hash, org_name;
    pd_str role;
    pd_time at;
};

#endif
