/* inject.c - our script tag into pages.
 *
 * Only into what a person looks at: an HTML document, plain, whole, of a navigation, whose content
 * security policy lets scripts and connections of its own origin through. The tag goes before
 * </body>; a fragment has none and stays as it is. The page may come in pieces: what could be the
 * beginning of </body> at the end of a piece is held until the next.
 */
#include "cli/dev/dev.h"

#define BODY_END "</body>"

static pd_str reply_header(const struct pd_http_reply_head *head, const char *name)
{
    for (unsigned i = 0; i < head->nheaders; i++)
        if (pd_str_eq_nocase(head->headers[i].name, pd_str_c(name)))
            return head->headers[i].value;
    return PD_STR_NULL;
}

/* --- whether
 * --------------------------------------------------------------------------------------- */

static bool has_directive(pd_str policy, const char *name, pd_str *sources)
{
    for (pd_str one; pd_str_split(&policy, ';', &one);) {
        one = pd_str_trim(one);
        size_t space = pd_str_find(one, ' ');
        if (!pd_str_eq_nocase(pd_str_sub(one, 0, space), pd_str_c(name)))
            continue;
        *sources = pd_str_sub(one, space, one.len);
        return true;
    }
    return false;
}

static bool allows_self(pd_str policy, const char *directive)
{
    pd_str sources;
    if (!has_directive(policy, directive, &sources) &&
        !has_directive(policy, "default-src", &sources))
        return true;
    return pd_str_find_str(sources, PD_STR("'self'")) != PD_NPOS ||
           pd_str_find_str(sources, PD_STR(" *")) != PD_NPOS;
}

static bool is_navigation(const struct pd_http_req *r)
{
    pd_str to = pd_http_header(r, PD_STR("Sec-Fetch-Dest"));
    return r->method != PD_HEAD && (!to.len || pd_str_eq(to, PD_STR("document")));
}

bool dev_inject_wanted(const struct pd_http_req *r, const struct pd_http_reply_head *head)
{
    pd_str type = reply_header(head, "Content-Type");
    pd_str policy = reply_header(head, "Content-Security-Policy");
    if (head->status == 204 || head->status == 206 || head->status == 304)
        return false;
    if (!pd_str_starts(type, PD_STR("text/html")) || reply_header(head, "Content-Encoding").len)
        return false;
    return is_navigation(r) && allows_self(policy, "script-src") &&
           allows_self(policy, "connect-src");
}

/* --- where
 * ------------------------------------------------------------------------------------------ */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static void release(struct dev_inject *in, struct pd_buf *out)
{
    pd_buf_put(out, pd_str_n(in->held, in->nheld));
    in->nheld = 0;
}

/* One byte; `held` is always a beginning of BODY_END. No proper beginning of "</body>" is repeated
 * inside it but by '<', so after a mismatch only this byte can begin anew. */
static void feed_one(struct dev_inject *in, char c, struct pd_buf *out)
{
    if (in->nheld > 0 && lower(c) != BODY_END[in->nheld])
        release(in, out);
    if (lower(c) != BODY_END[in->nheld]) {
        pd_buf_put_c(out, c);
        return;
    }
    in->held[in->nheld++] = c;
    if (in->nheld < sizeof BODY_END - 1)
        return;
    pd_buf_put(out, in->tag);
    release(in, out);
    in->done = true;
}

void dev_inject_feed(struct dev_inject *in, pd_str piece, bool last, struct pd_buf *out)
{
    size_t i = 0;
    while (i < piece.len && !in->done) {
        size_t plain = in->nheld ? 0 : pd_str_find(pd_str_sub(piece, i, piece.len), '<');
        plain = plain == PD_NPOS ? piece.len - i : plain;
        pd_buf_put(out, pd_str_sub(piece, i, i + plain));
        i += plain;
        if (i < piece.len)
            feed_one(in, piece.ptr[i++], out);
    }
    pd_buf_put(out, pd_str_sub(piece, i, piece.len));
    if (last)
        release(in, out);
}

pd_str dev_script_tag(const struct dev *d, const struct pd_http_req *r, const char *report)
{
    bool safe = r->method == PD_GET || r->method == PD_HEAD;
    return pd_str_fmt(
        r->arena,
        "<script src=\"/_pando/dev.js\" data-build=\"%s-%u\" data-attempt=\"%u\"%s%s%s%s"
        " defer></script>",
        d->boot, d->good, d->attempt, safe ? "" : " data-posted", report ? " data-report=\"" : "",
        report ? report : "", report ? "\"" : "");
}
