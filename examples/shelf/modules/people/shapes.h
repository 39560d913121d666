/* shapes.h - what people read and write. */
#ifndef SHELF_PEOPLE_SHAPES_H
#define SHELF_PEOPLE_SHAPES_H

#include <pando/shape.h>

struct people_sign_up_input {
    pd_str email;    // @trim @email
    pd_str name;     // @trim @len 1 80
    pd_str password; // @len 12 200
};

struct people_sign_in_input {
    pd_str email;    // @trim @len 1 254
    pd_str password; // @len 1 200
};

struct people_me {
    pd_id id;
    pd_str name;
    bool librarian;
};

#endif
