/* urlencoded.c - application/x-www-form-urlencoded (WHATWG URL §5), strictly.
 *
 * The specification repairs whatever it meets; here what is broken is refused, because two readers
 * of a repaired form need not see the same one.
 */
#include "web/urlencoded.h"
#include "web/path.h"

static pd_err pair_read(struct pd_arena *a, pd_str piece, struct pd_pair *out)
{
    size_t eq = pd_str_find(piece, '=');
    pd_str name = pd_str_sub(piece, 0, eq);
    pd_str value = eq == PD_NPOS ? PD_STR("") : pd_str_sub(piece, eq + 1, piece.len);
    if (!pd_component_decode(a, name, &out->name) || !pd_component_decode(a, value, &out->value))
        return pd_fail(PD_ESYNTAX, "a field of the form has a broken escape or is not text");
    if (out->name.len > PD_PAIR_NAME_MAX)
        return pd_fail(PD_ETOOBIG, "the name of a field is longer than %d bytes", PD_PAIR_NAME_MAX);
    return PD_OK;
}

static unsigned count_fields(pd_str text)
{
    unsigned n = 0;
    pd_str piece;
    while (pd_str_split(&text, '&', &piece))
        n += piece.len > 0;
    return n;
}

pd_err pd_urlencoded_read(struct pd_arena *a, pd_str text, struct pd_pairs *out)
{
    *out = (struct pd_pairs){ 0 };
    unsigned most = count_fields(text);
    if (most > PD_PAIRS_MAX)
        return pd_fail(PD_ETOOBIG, "the form has more than %d fields", PD_PAIRS_MAX);
    out->at = pd_arena_new_n(a, struct pd_pair, most);
    pd_str piece;
    while (pd_str_split(&text, '&', &piece)) {
        if (piece.len == 0)
            continue;
        pd_err e = pair_read(a, piece, &out->at[out->n]);
        if (e != PD_OK) {
            out->n = 0;
            return e;
        }
        out->n++;
    }
    return PD_OK;
}

pd_str pd_urlencoded_get(struct pd_arena *a, pd_str text, pd_str name)
{
    pd_str piece;
    while (pd_str_split(&text, '&', &piece)) {
        size_t eq = pd_str_find(piece, '=');
        pd_str have, value = PD_STR_NULL;
        if (!pd_component_decode(a, pd_str_sub(piece, 0, eq), &have) || !pd_str_eq(have, name))
            continue;
        pd_str raw = eq == PD_NPOS ? PD_STR("") : pd_str_sub(piece, eq + 1, piece.len);
        return pd_component_decode(a, raw, &value) ? value : PD_STR_NULL;
    }
    return PD_STR_NULL;
}
