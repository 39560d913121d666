/* cookie.h - reading Cookie and writing Set-Cookie (RFC 6265bis).
 *
 * Names and values of ours are tokens and base64url, so nothing is ever quoted or escaped. A secure
 * cookie has the __Host- prefix: the browser then takes it only over https, for this host, Path=/.
 * Over plain http in development the prefix would make the browser drop it, so the name is plain.
 */
#ifndef PD_COOKIE_H
#define PD_COOKIE_H

#include <pando/buf.h>

/* The first cookie of that name in a Cookie header; null if absent. */
pd_str pd_cookie_find(pd_str header, pd_str name);

struct pd_cookie {
    pd_str name;  /* without prefix */
    pd_str value; /* empty: the cookie is cleared */
    int64_t max_age_s;
    bool secure; /* __Host- and Secure */
};
/* Appends a "Set-Cookie: …" line, whole or (buffer failed) not at all. HttpOnly, SameSite=Lax,
 * Path=/ always. A name or value with anything but cookie characters panics: they are ours. */
void pd_cookie_put(struct pd_buf *lines, const struct pd_cookie *c);

#define PD_HOST_PREFIX "__Host-"

#endif
