/* cookie.c - reading Cookie and writing Set-Cookie.
 *
 * A Cookie header is "a=1; b=2". Pieces without '=' are skipped; the first of two equal names
 * counts, as browsers send the more specific path first. */
#include "web/cookie.h"
#include "base/put.h"

enum { LINE_ROOM = 128 }; /* for what is constant in a line, and the number */

pd_str pd_cookie_find(pd_str header, pd_str name)
{
    pd_str piece;
    while (pd_str_split(&header, ';', &piece)) {
        piece = pd_str_trim(piece);
        if (piece.len <= name.len || piece.ptr[name.len] != '=' || !pd_str_starts(piece, name))
            continue;
        return pd_str_sub(piece, name.len + 1, piece.len);
    }
    return PD_STR_NULL;
}

static bool is_cookie_text(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("\",;\\=", c)) /* never: they are ours */
            return false;                                  /* never: the caller panics */
    }
    return true;
}

void pd_cookie_put(struct pd_buf *lines, const struct pd_cookie *c)
{
    pd_assert(c->name.len > 0 && is_cookie_text(c->name) && is_cookie_text(c->value));
    char *start = pd_buf_reserve(lines, c->name.len + c->value.len + LINE_ROOM), *at = start;
    if (!start)
        return;
    at = pd_put(at, PD_STR("Set-Cookie: "));
    at = pd_put(at, c->secure ? PD_STR(PD_HOST_PREFIX) : PD_STR(""));
    at = pd_put(pd_put(at, c->name), PD_STR("="));
    at = pd_put(at, c->value);
    at = pd_put(at, PD_STR("; Path=/; HttpOnly; SameSite=Lax; Max-Age="));
    at = pd_put_u64(at, c->value.len ? (uint64_t)c->max_age_s : 0);
    at = pd_put(at, c->secure ? PD_STR("; Secure\r\n") : PD_STR("\r\n"));
    lines->len += (size_t)(at - start);
}
