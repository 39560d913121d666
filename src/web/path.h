/* path.h - percent-decoding and the one reading of a request's path.
 *
 * A path is decoded once. What two programs on the way could read differently is refused, never
 * repaired: an encoded slash or NUL, a backslash, controls, "." and ".." segments, text that is not
 * UTF-8 (overlong forms too), a broken escape. Nothing yields.
 */
#ifndef PD_PATH_H
#define PD_PATH_H

#include <pando/arena.h>
#include <pando/str.h>

/* `raw` begins with '/'. Without escapes *path is `raw` itself, else the arena's. False: 400. */
bool pd_path_normalise(struct pd_arena *a, pd_str raw, pd_str *path);

/* A name or value of a query or urlencoded form: '+' is a space. False if an escape is broken, or
 * the result holds a NUL or is not UTF-8. Without escapes *out is a slice of `raw`. */
bool pd_component_decode(struct pd_arena *a, pd_str raw, pd_str *out);

/* May a browser be sent there? A path of this site: "/…", not "//…", no backslash, no controls, no
 * spaces, ASCII only (browsers drop tabs and line ends before they look at the slashes). */
bool pd_path_is_local(pd_str target);

/* Appends `s` percent-encoded as one query value. */
struct pd_buf;
void pd_component_put(struct pd_buf *b, pd_str s);

#endif
