/* multipart.c - multipart/form-data (RFC 7578, 2046 §5.1.1), strictly.
 *
 *     --B CRLF head CRLF CRLF content CRLF --B CRLF … CRLF --B-- [CRLF]
 *
 * The body is in memory (the route's limit bounds it), so a part's content is the slice up to the
 * next CRLF "--" boundary. No preamble, no epilogue, no nested multipart, no transfer encodings:
 * browsers send none of them.
 */
#include "web/urlencoded.h"
#include "http/parse.h"

enum { BOUNDARY_MAX = 70 };

/* --- header parameters ---------------------------------------------------------------- */

/* Takes `token` or `"quoted"` off the front of *s. Null if it is malformed. */
static pd_str take_value(pd_str *s)
{
    bool quoted = s->len > 0 && s->ptr[0] == '"';
    size_t from = quoted, to = from;
    while (to < s->len && (quoted ? s->ptr[to] != '"' : !strchr("; \t", s->ptr[to]))) {
        if (s->ptr[to] == '\\' || s->ptr[to] == '\0')
            return PD_STR_NULL;
        to++;
    }
    if (quoted && to == s->len)
        return PD_STR_NULL;
    pd_str value = pd_str_sub(*s, from, to);
    *s = pd_str_sub(*s, to + quoted, s->len);
    return value;
}

pd_str pd_header_param(pd_str value, pd_str name)
{
    size_t semicolon = pd_str_find(value, ';');
    pd_str rest = semicolon == PD_NPOS ? PD_STR_NULL : pd_str_sub(value, semicolon, value.len);
    while (rest.len > 0 && rest.ptr[0] == ';') {
        rest = pd_str_trim(pd_str_sub(rest, 1, rest.len));
        size_t eq = pd_str_find(rest, '=');
        if (eq == PD_NPOS)
            return PD_STR_NULL;
        pd_str have = pd_str_sub(rest, 0, eq);
        rest = pd_str_sub(rest, eq + 1, rest.len);
        pd_str text = take_value(&rest);
        rest = pd_str_trim(rest);
        if (pd_str_is_null(text))
            return PD_STR_NULL;
        if (pd_str_eq_nocase(have, name))
            return text;
    }
    return PD_STR_NULL;
}

/* --- parts ---------------------------------------------------------------------------- */

struct parts {
    struct pd_arena *arena;
    pd_str rest;      /* behind the boundary line of the next part */
    pd_str delimiter; /* CRLF "--" boundary */
    struct pd_pairs *out;
};

static pd_err malformed(const char *what)
{
    return pd_fail(PD_ESYNTAX, "multipart form: %s", what);
}

/* The name of the part, and whether it is a file, from its header lines. */
static pd_err head_read(pd_str head, pd_str *name, bool *is_file)
{
    *name = PD_STR_NULL;
    *is_file = false;
    while (head.len > 0) {
        size_t end = pd_str_find_str(head, PD_STR("\r\n"));
        pd_str line = pd_str_sub(head, 0, end);
        head = end == PD_NPOS ? PD_STR_NULL : pd_str_sub(head, end + 2, head.len);
        if (!pd_http_is_value(line))
            return malformed("a header line has a bare line end or another control");
        size_t colon = pd_str_find(line, ':');
        if (colon == PD_NPOS)
            return malformed("a header line has no colon");
        pd_str value = pd_str_trim(pd_str_sub(line, colon + 1, line.len));
        if (!pd_str_eq_nocase(pd_str_sub(line, 0, colon), PD_STR("content-disposition")))
            continue;
        pd_str kind = pd_str_trim(pd_str_sub(value, 0, pd_str_find(value, ';')));
        if (!pd_str_eq_nocase(kind, PD_STR("form-data")) || name->ptr)
            return malformed("a part is not form-data");
        *name = pd_header_param(value, PD_STR("name"));
        *is_file = pd_header_param(value, PD_STR("filename")).ptr ||
                   pd_header_param(value, PD_STR("filename*")).ptr;
    }
    if (pd_str_is_null(*name))
        return malformed("a part has no name");
    return PD_OK;
}

static pd_err keep(struct parts *p, pd_str name, pd_str content)
{
    if (p->out->n == PD_PAIRS_MAX || name.len > PD_PAIR_NAME_MAX)
        return pd_fail(PD_ETOOBIG, "the form has more than %d fields, or a name of over %d bytes",
                       PD_PAIRS_MAX, PD_PAIR_NAME_MAX);
    if (!pd_str_is_utf8(name) || !pd_str_is_text(content))
        return malformed("a field is not text");
    p->out->at[p->out->n++] = (struct pd_pair){ name, content };
    return PD_OK;
}

/* One part; *last says that the closing delimiter followed. */
static pd_err part_read(struct parts *p, bool *last)
{
    size_t end = pd_str_find_str(p->rest, PD_STR("\r\n\r\n"));
    if (end == PD_NPOS || end > PD_PART_HEAD_MAX)
        return malformed("a part's header does not end");
    pd_str name, head = pd_str_sub(p->rest, 0, end);
    bool is_file;
    PD_TRY(head_read(head, &name, &is_file));
    pd_str body = pd_str_sub(p->rest, end + 4, p->rest.len);
    size_t cut = pd_str_find_str(body, p->delimiter);
    if (cut == PD_NPOS)
        return malformed("a part does not end");
    if (!is_file)
        PD_TRY(keep(p, name, pd_str_sub(body, 0, cut)));
    pd_str after = pd_str_sub(body, cut + p->delimiter.len, body.len);
    *last = pd_str_starts(after, PD_STR("--"));
    if (!*last && !pd_str_starts(after, PD_STR("\r\n")))
        return malformed("a boundary line has something behind it");
    p->rest = pd_str_sub(after, 2, after.len);
    return PD_OK;
}

pd_err pd_multipart_read(struct pd_arena *a, pd_str content_type, pd_str body, struct pd_pairs *out)
{
    *out = (struct pd_pairs){ 0 };
    pd_str boundary = pd_header_param(content_type, PD_STR("boundary"));
    if (boundary.len == 0 || boundary.len > BOUNDARY_MAX)
        return malformed("no boundary is given");
    pd_str delimiter = pd_str_fmt(a, "\r\n--%.*s", PD_ARG(boundary));
    pd_str first = pd_str_sub(delimiter, 2, delimiter.len);
    if (!pd_str_starts(body, first))
        return malformed("it does not begin with its boundary");
    struct pd_pairs found = { .at = pd_arena_new_n(a, struct pd_pair, PD_PAIRS_MAX) };
    struct parts p = { a, pd_str_sub(body, first.len, body.len), delimiter, &found };
    bool last = pd_str_starts(p.rest, PD_STR("--"));
    if (!last && !pd_str_starts(p.rest, PD_STR("\r\n")))
        return malformed("a boundary line has something behind it");
    p.rest = pd_str_sub(p.rest, 2, p.rest.len);
    for (unsigned parts = 0; !last; parts++) {
        if (parts == 2 * PD_PAIRS_MAX)
            return pd_fail(PD_ETOOBIG, "the form has too many parts");
        PD_TRY(part_read(&p, &last));
    }
    if (p.rest.len && !pd_str_eq(p.rest, PD_STR("\r\n")))
        return malformed("something follows the last part");
    *out = found;
    return PD_OK;
}
