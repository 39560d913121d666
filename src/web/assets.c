/* assets.c - the app's static files.
 *
 * The build gives every file a name with a hash of its content and compresses it, so here is
 * nothing to compute: find it, choose a coding, send bytes that lie in the program. A hashed name
 * never changes its content, so browsers and CDNs may keep it for ever; a name with another hash is
 * 404, never the newest file, or a cache would keep the wrong content under it.
 */
#include "web/web.h"

static int by_name(const void *a, const void *b)
{
    const struct pd_asset *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int by_hashed(const void *a, const void *b)
{
    const struct pd_asset *const *x = a, *const *y = b;
    return strcmp((*x)->hashed, (*y)->hashed);
}

pd_err pd_assets_init(struct pd_assets *t, struct pd_arena *a, const struct pd_asset *assets,
                      unsigned n, pd_str cdn)
{
    *t = (struct pd_assets){ .n = n };
    t->by_name = pd_arena_new_n(a, const struct pd_asset *, n);
    t->by_hashed = pd_arena_new_n(a, const struct pd_asset *, n);
    t->urls = pd_arena_new_n(a, pd_str, n);
    for (unsigned i = 0; i < n; i++)
        t->by_name[i] = t->by_hashed[i] = &assets[i];
    qsort(t->by_name, n, sizeof *t->by_name, by_name);
    qsort(t->by_hashed, n, sizeof *t->by_hashed, by_hashed);
    for (unsigned i = 0; i < n; i++) {
        if (i > 0 && by_name(&t->by_name[i - 1], &t->by_name[i]) == 0)
            return pd_fail(PD_ECONFIG, "the asset %s is there twice", t->by_name[i]->name);
        t->urls[i] = pd_str_fmt(a, "%.*s/assets/%s", PD_ARG(cdn), t->by_name[i]->hashed);
    }
    return PD_OK;
}

/* Index of the first asset whose text is not less than `s`. */
static int compare(const char *have, pd_str s)
{
    return pd_str_cmp(pd_str_c(have), s);
}

const struct pd_asset *pd_assets_hashed(const struct pd_assets *t, pd_str hashed)
{
    unsigned low = 0, high = t->n;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        int order = compare(t->by_hashed[mid]->hashed, hashed);
        if (order == 0)
            return t->by_hashed[mid];
        low = order < 0 ? mid + 1 : low;
        high = order > 0 ? mid : high;
    }
    return NULL;
}

pd_str pd_assets_url(const struct pd_assets *t, pd_str name)
{
    unsigned low = 0, high = t->n;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        int order = compare(t->by_name[mid]->name, name);
        if (order == 0)
            return t->urls[mid];
        low = order < 0 ? mid + 1 : low;
        high = order > 0 ? mid : high;
    }
    return PD_STR_NULL;
}

pd_str pd_asset_url(struct pd_ctx *c, pd_str name)
{
    pd_str url = pd_assets_url(&pd_web_of(c, "pd_asset_url")->assets, name);
    if (pd_str_is_null(url))
        pd_panic("there is no asset %.*s", PD_ARG(name));
    return url;
}

/* --- negotiation ---------------------------------------------------------------------- */

/* "br;q=0" refuses; any other weight takes. */
static bool is_refused(pd_str params)
{
    pd_str q = pd_str_trim(params);
    if (!pd_str_eq_nocase(pd_str_sub(q, 0, 3), PD_STR("q=0")))
        return false;
    for (size_t i = 3; i < q.len; i++)
        if (q.ptr[i] != '.' && q.ptr[i] != '0')
            return false;
    return true;
}

enum pd_encoding pd_encoding_choose(pd_str accept, bool has_gzip, bool has_brotli)
{
    bool gzip = false, brotli = false;
    pd_str one;
    while (accept.len && pd_str_split(&accept, ',', &one)) {
        size_t semicolon = pd_str_find(one, ';');
        pd_str name = pd_str_trim(pd_str_sub(one, 0, semicolon));
        if (semicolon != PD_NPOS && is_refused(pd_str_sub(one, semicolon + 1, one.len)))
            continue;
        gzip |= pd_str_eq_nocase(name, PD_STR("gzip"));
        brotli |= pd_str_eq_nocase(name, PD_STR("br"));
    }
    if (brotli && has_brotli)
        return PD_ENC_BROTLI;
    return gzip && has_gzip ? PD_ENC_GZIP : PD_ENC_IDENTITY;
}

bool pd_etag_listed(pd_str list, pd_str etag)
{
    pd_str one;
    while (list.len && pd_str_split(&list, ',', &one)) {
        one = pd_str_trim(one);
        if (pd_str_starts(one, PD_STR("W/")))
            one = pd_str_sub(one, 2, one.len);
        if (pd_str_eq(one, etag) || pd_str_eq(one, PD_STR("*")))
            return true;
    }
    return false;
}

/* --- serving ------------------------------------------------------------------------------------
 */

static pd_status asset_serve(struct pd_ctx *c)
{
    static const struct {
        const char *suffix;
        pd_str line;
    } coding[] = {
        [PD_ENC_IDENTITY] = { "", PD_STR_INIT("") },
        [PD_ENC_GZIP] = { "-gz", PD_STR_INIT("Content-Encoding: gzip\r\n") },
        [PD_ENC_BROTLI] = { "-br", PD_STR_INIT("Content-Encoding: br\r\n") },
    };
    struct pd_request *q = pd_request_of(c, "asset");
    const struct pd_asset *asset = pd_assets_hashed(&q->web->assets, pd_path_str(c, "file"));
    if (!asset)
        return pd_not_found(c);
    enum pd_encoding e = pd_encoding_choose(pd_http_known(q->http, PD_H_ACCEPT_ENCODING),
                                            asset->gzip != NULL, asset->brotli != NULL);
    const unsigned char *bytes[] = { asset->data, asset->gzip, asset->brotli };
    size_t sizes[] = { asset->size, asset->gzip_size, asset->brotli_size };
    pd_str etag = pd_str_fmt(c->arena, "\"%s%s\"", asset->hashed, coding[e].suffix);
    q->cache_control = PD_STR("public, max-age=31536000, immutable");
    q->fixed_lines = q->web->asset_lines;
    pd_reply_header(c, "ETag", etag);
    if (pd_etag_listed(pd_http_known(q->http, PD_H_IF_NONE_MATCH), etag))
        return pd_reply_set(c, 304, PD_STR_NULL, PD_STR_NULL);
    pd_buf_put(pd_reply_lines(c), coding[e].line);
    return pd_reply_set(c, 200, pd_str_c(asset->content_type),
                        pd_str_n((const char *)bytes[e], sizes[e]));
}

const struct pd_route pd_asset_route = {
    .method = PD_GET_,
    .pattern = "/assets/{file:str}",
    .handler = asset_serve,
    .doc = "static files of the app, by hashed name",
};
