/* csrf.h - is this state-changing request one that our own pages made?
 *
 * Browsers tell: Sec-Fetch-Site (all since 2023) or at least Origin, which they send with every
 * cross-origin POST (since 2020); a page of another site can neither forge nor drop them. So, for
 * methods other than GET, HEAD and OPTIONS:
 *
 *   Sec-Fetch-Site: same-origin or none   let in ("none": typed or from a bookmark)
 *   Sec-Fetch-Site: anything else         refused; "same-site" too: a sibling host is not us
 *   no Sec-Fetch-Site, Origin is ours     let in: its host and port are those of Host
 *   no Sec-Fetch-Site, another Origin     refused; "null" too
 *   neither                               let in: not a browser
 *
 * The last line is safe because the attack needs a browser, and a browser old enough to send
 * neither still keeps the SameSite=Lax cookie to itself on a cross-site POST; so scripts with a
 * cookie jar keep working. This is the Fetch Metadata policy of the OWASP cheat sheet with Origin
 * as its fall-back, and what Go's http.CrossOriginProtection does. Pure functions.
 */
#ifndef PD_CSRF_H
#define PD_CSRF_H

#include "http/http.h"

/* Strings are the headers' values, null if absent; `host` as in the request. */
bool pd_csrf_allows(enum pd_method method, pd_str sec_fetch_site, pd_str origin, pd_str host);

#endif
