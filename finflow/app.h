/* app.h - FinFlow as a whole: what main.c runs, and what the simulation runs on virtual time. */
#ifndef FINFLOW_APP_H
#define FINFLOW_APP_H

#include <pando/pando.h>

extern const struct pd_app finflow_app;

#endif
