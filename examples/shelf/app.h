/* app.h - shelf as a whole: what main.c runs, and what tests run. */
#ifndef SHELF_APP_H
#define SHELF_APP_H

#include <pando/pando.h>

extern const struct pd_app shelf_app;

#endif
