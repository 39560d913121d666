/* assets.h - the app's static files: found by name, served by hashed name. Immutable after init. */
#ifndef PD_ASSETS_H
#define PD_ASSETS_H

#include <pando/web.h>

struct pd_assets {
    const struct pd_asset **by_name, **by_hashed; /* sorted */
    pd_str *urls;                                 /* parallel to by_name */
    unsigned n;
};
/* `cdn` is an origin without trailing slash, or empty. PD_ECONFIG if a name is there twice. */
pd_err pd_assets_init(struct pd_assets *t, struct pd_arena *a, const struct pd_asset *assets,
                      unsigned n, pd_str cdn) PD_MUST;
const struct pd_asset *pd_assets_hashed(const struct pd_assets *t, pd_str hashed); /* or NULL */
pd_str pd_assets_url(const struct pd_assets *t, pd_str name); /* null if there is none */

enum pd_encoding { PD_ENC_IDENTITY, PD_ENC_GZIP, PD_ENC_BROTLI };
/* The best coding that an Accept-Encoding header takes and the asset has: br, gzip, none. */
enum pd_encoding pd_encoding_choose(pd_str accept, bool has_gzip, bool has_brotli);
/* Does an If-None-Match header name this entity tag (with quotes)? Weak comparison; "*" too. */
bool pd_etag_listed(pd_str if_none_match, pd_str etag);

#endif
