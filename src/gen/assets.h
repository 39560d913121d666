/* assets.h - static files on their way into the program: private to the asset compiler.
 *
 * assets.c reads and writes them, assets_css.c rewrites the references inside style sheets,
 * assets_pack.c hashes and compresses.
 */
#ifndef PD_GEN_ASSETS_H
#define PD_GEN_ASSETS_H

#include "gen/model.h"

enum asset_state { ASSET_NEW, ASSET_BUSY, ASSET_READY };

struct asset {
    pd_str name;   /* "img/logo.svg": path below assets/ */
    pd_str hashed; /* "img/logo-3f9c0a12b6e1.svg" */
    pd_str file;   /* path for errors */
    const char *content_type;
    pd_str data;         /* as served: references in it are hashed */
    pd_str gzip, brotli; /* null if not smaller */
    enum asset_state state;
};

struct gen_asset_list {
    struct asset *at;
    size_t n;
    pd_str *names;
};

struct asset *asset_find(struct gen *g, pd_str name);
/* Makes `a` ready: references rewritten, hashed, compressed. False if it has errors (reported), or
 * is being made further up: style sheets that import each other. */
bool asset_prepare(struct gen *g, struct asset *a);

/* a->data with the references of a style sheet replaced by hashed names. */
bool asset_rewrite_css(struct gen *g, struct asset *a);

/* "img/logo.svg" + content -> "img/logo-<12 hex digits of the content's hash>.svg". */
pd_str asset_hashed_name(struct gen *g, pd_str name, pd_str data);
/* Sets gzip and brotli where they are smaller than the data. */
pd_err asset_compress(struct gen *g, struct asset *a) PD_MUST;

#endif
