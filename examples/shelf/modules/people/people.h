/* people.h - who may come in: signing up, in and out, and who is a librarian. */
#ifndef SHELF_PEOPLE_H
#define SHELF_PEOPLE_H

#include <pando/pando.h>
#include "people/shapes.h"

/* The platform's hook: decides who asks, from a valid session cookie. One statement. */
void people_authenticate(struct pd_ctx *c, const struct pd_session_data *session) PD_YIELDS;

extern const struct pd_module people_module;

#endif
