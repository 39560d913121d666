/* cookie.c - reading Cookie and writing Set-Cookie.
 *
 * A Cookie header is "a=1; b=2". Pieces without '=' are skipped; the first of two equal names
 * counts, as browsers send the more specific path first. */
#include "web/cookie.h"

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
    pd_buf_put(lines, PD_STR("Set-Cookie: "));
    pd_buf_put(lines, c->secure ? PD_STR(PD_HOST_PREFIX) : PD_STR(""));
    pd_buf_put(lines, c->name);
    pd_buf_put_c(lines, '=');
    pd_buf_put(lines, c->value);
    pd_buf_put(lines, PD_STR("; Path=/; HttpOnly; SameSite=Lax; Max-Age="));
    pd_buf_put_i64(lines, c->value.len ? c->max_age_s : 0);
    pd_buf_put(lines, c->secure ? PD_STR("; Secure\r\n") : PD_STR("\r\n"));
}
