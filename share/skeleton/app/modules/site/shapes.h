/* shapes.h - what the pages of site show. One X_view for each templates/X.html. */
#ifndef SITE_SHAPES_H
#define SITE_SHAPES_H

#include <pando/shape.h>

struct site_frame {
    bool signed_in;
    pd_str person;
    pd_str section; /* which entry of the navigation is marked */
    pd_str flash;   /* a message from the page before; null: none */
};

/* What is wrong with a form: one text for each field, null if nothing is. */
struct site_errors {
    pd_str form; /* with the form as a whole */
    pd_str name;
    pd_str email;
    pd_str password;
};

struct site_home_view {
    struct site_frame frame;
};
struct site_sign_up_view {
    struct site_frame frame;
    pd_str name; /* as typed */
    pd_str email;
    struct site_errors errors;
};
struct site_sign_in_view {
    struct site_frame frame;
    pd_str email;
    struct site_errors errors;
};
struct site_error_view {
    struct site_frame frame;
    int64_t status;
    pd_str heading;
    pd_str detail;
};
/* pando: views (`pando generate` adds lines above this one) */

#endif
