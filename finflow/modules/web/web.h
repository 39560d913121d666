/* web.h - FinFlow's pages. They ask the other modules and show what these say; no page has a rule
 * of its own. Nobody calls this module. */
#ifndef FINFLOW_WEB_H
#define FINFLOW_WEB_H

#include <pando/pando.h>
#include "web/shapes.h"

extern const struct pd_module web_module;

/* The platform's hook: the page for an error, for browsers. */
pd_status web_error_page(struct pd_ctx *c, int status, pd_str title, pd_str detail);

#endif
