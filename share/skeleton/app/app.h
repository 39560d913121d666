/* app.h - @Title@ as a whole: what main.c runs, and what tests run. */
#ifndef @APP@_APP_H
#define @APP@_APP_H

#include <pando/pando.h>

extern const struct pd_app @app@_app;

#endif
