/* assets.c - the app's static files, embedded in its program.
 *
 * Everything below DIR/assets is read; style sheets are rewritten to the hashed names of what they
 * refer to, which must therefore be known first: preparing a sheet prepares its references before
 * it, and a sheet's own hash is taken of the rewritten text. The result is a C table sorted by
 * name, with each file's content and its compressed forms as constant bytes.
 */
#include "gen/assets.h"

#include <sys/stat.h>

enum { DEPTH_MAX = 8, FILES_MAX = 4096, OUTPUT_MAX = 1 << 30 };

static const struct content_type {
    pd_str suffix;
    const char *type;
} content_types[] = {
    { PD_STR_INIT(".css"), "text/css; charset=utf-8" },
    { PD_STR_INIT(".js"), "text/javascript; charset=utf-8" },
    { PD_STR_INIT(".mjs"), "text/javascript; charset=utf-8" },
    { PD_STR_INIT(".html"), "text/html; charset=utf-8" },
    { PD_STR_INIT(".txt"), "text/plain; charset=utf-8" },
    { PD_STR_INIT(".json"), "application/json" },
    { PD_STR_INIT(".map"), "application/json" },
    { PD_STR_INIT(".webmanifest"), "application/manifest+json" },
    { PD_STR_INIT(".xml"), "application/xml" },
    { PD_STR_INIT(".svg"), "image/svg+xml" },
    { PD_STR_INIT(".png"), "image/png" },
    { PD_STR_INIT(".jpg"), "image/jpeg" },
    { PD_STR_INIT(".jpeg"), "image/jpeg" },
    { PD_STR_INIT(".gif"), "image/gif" },
    { PD_STR_INIT(".webp"), "image/webp" },
    { PD_STR_INIT(".avif"), "image/avif" },
    { PD_STR_INIT(".ico"), "image/x-icon" },
    { PD_STR_INIT(".woff2"), "font/woff2" },
    { PD_STR_INIT(".woff"), "font/woff" },
    { PD_STR_INIT(".ttf"), "font/ttf" },
    { PD_STR_INIT(".pdf"), "application/pdf" },
    { PD_STR_INIT(".wasm"), "application/wasm" },
    { PD_STR_INIT(".mp4"), "video/mp4" },
    { PD_STR_INIT(".webm"), "video/webm" },
};

/* --- reading ---------------------------------------------------------------------------------- */

static pd_str assets_dir(struct gen *g)
{
    return pd_str_fmt(&g->arena, "%.*s/assets", PD_ARG(g->app_dir));
}

static void add_asset(struct gen *g, pd_str name, pd_str file)
{
    struct gen_asset_list *list = g->assets;
    if (list->n == FILES_MAX) {
        gen_error(g, file, 0, 0, "PD-ASSET-005",
                  pd_str_fmt(&g->arena, "more than %d assets", FILES_MAX),
                  PD_STR("serve large collections from a store of files, not from the program"));
        return;
    }
    list->at[list->n] = (struct asset){ .name = name, .file = file };
    list->names[list->n++] = name;
}

static void scan(struct gen *g, pd_str dir, pd_str prefix, unsigned depth)
{
    pd_str *names;
    size_t n;
    if (depth > DEPTH_MAX || gen_list(g, dir, &names, &n) != PD_OK) {
        gen_error(g, dir, 0, 0, "PD-ASSET-001", PD_STR("this folder cannot be read"),
                  PD_STR("folders may nest to a depth of 8"));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        pd_str path = pd_str_fmt(&g->arena, "%.*s/%.*s", PD_ARG(dir), PD_ARG(names[i]));
        pd_str name = pd_str_fmt(&g->arena, "%.*s%.*s", PD_ARG(prefix), PD_ARG(names[i]));
        if (gen_is_dir(g, path))
            scan(g, path, pd_str_fmt(&g->arena, "%.*s/", PD_ARG(name)), depth + 1);
        else
            add_asset(g, name, path);
    }
}

static struct gen_asset_list *assets_of(struct gen *g)
{
    if (g->assets)
        return g->assets;
    g->assets = pd_arena_new(&g->arena, struct gen_asset_list);
    g->assets->at = pd_arena_new_n(&g->arena, struct asset, FILES_MAX);
    g->assets->names = pd_arena_new_n(&g->arena, pd_str, FILES_MAX);
    scan(g, assets_dir(g), PD_STR(""), 0);
    return g->assets;
}

const pd_str *gen_asset_names(struct gen *g, size_t *n)
{
    *n = assets_of(g)->n;
    return g->assets->names;
}

struct asset *asset_find(struct gen *g, pd_str name)
{
    struct gen_asset_list *list = assets_of(g);
    for (size_t i = 0; i < list->n; i++) {
        if (pd_str_eq(list->at[i].name, name))
            return &list->at[i];
    }
    return NULL;
}

bool gen_asset_check(struct gen *g, pd_str name)
{
    return asset_find(g, name) != NULL;
}

/* --- preparing ----------------------------------------------------------------------------------
 */

static bool find_content_type(struct gen *g, struct asset *a)
{
    for (size_t i = 0; i < sizeof(content_types) / sizeof(content_types[0]); i++) {
        if (pd_str_ends(a->name, content_types[i].suffix))
            a->content_type = content_types[i].type;
    }
    if (!a->content_type)
        gen_error(g, a->file, 0, 0, "PD-ASSET-004", PD_STR("no content type for this kind of file"),
                  PD_STR("remove it from assets/, or add its type to src/gen/assets.c"));
    return a->content_type != NULL;
}

static bool told(struct gen *g, const struct asset *a, pd_err e)
{
    if (e != PD_OK)
        gen_error(g, a->file, 0, 0, "PD-ASSET-001", pd_str_c(pd_diag()->message),
                  pd_str_c(pd_diag()->hint));
    return e == PD_OK;
}

bool asset_prepare(struct gen *g, struct asset *a)
{
    if (a->state != ASSET_NEW)
        return a->state == ASSET_READY;
    a->state = ASSET_BUSY;
    if (!find_content_type(g, a) || !told(g, a, gen_read(g, a->file, &a->data)))
        return false;
    if (pd_str_ends(a->name, PD_STR(".css")) && !asset_rewrite_css(g, a))
        return false;
    a->hashed = asset_hashed_name(g, a->name, a->data);
    if (!told(g, a, asset_compress(g, a)))
        return false;
    a->state = ASSET_READY;
    return true;
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* Bytes as a C string, 32 to a line: an octal escape of three digits cannot swallow what follows.
 */
static void put_bytes(struct pd_buf *b, const char *name, size_t i, pd_str bytes)
{
    static const char digits[] = "01234567";
    pd_buf_fmt(b, "static const unsigned char %s_%zu[] =\n    \"", name, i);
    for (size_t at = 0; at < bytes.len; at++) {
        unsigned char c = (unsigned char)bytes.ptr[at];
        if (at && at % 32 == 0)
            pd_buf_put(b, PD_STR("\"\n    \""));
        char text[4] = { '\\', digits[c >> 6], digits[c >> 3 & 7], digits[c & 7] };
        bool plain = c >= ' ' && c < 127 && c != '"' && c != '\\' && c != '?';
        pd_buf_put(b, plain ? pd_str_n((const char *)&bytes.ptr[at], 1) : pd_str_n(text, 4));
    }
    pd_buf_put(b, PD_STR("\";\n"));
}

static void put_entry(struct pd_buf *b, const struct asset *a, size_t i)
{
    pd_buf_fmt(b, "    { .name = \"%.*s\", .hashed = \"%.*s\",\n      .content_type = \"%s\",\n",
               PD_ARG(a->name), PD_ARG(a->hashed), a->content_type);
    pd_buf_fmt(b, "      .data = data_%zu, .size = %zu", i, a->data.len);
    if (a->gzip.ptr)
        pd_buf_fmt(b, ", .gzip = gzip_%zu, .gzip_size = %zu", i, a->gzip.len);
    if (a->brotli.ptr)
        pd_buf_fmt(b, ", .brotli = brotli_%zu, .brotli_size = %zu", i, a->brotli.len);
    pd_buf_put(b, PD_STR(" },\n"));
}

/* The count is a constant: struct pd_app is initialised statically. */
static pd_err write_header(struct gen *g, pd_str app, size_t n)
{
    char *upper = pd_str_cstr(&g->arena, app);
    for (char *at = upper; *at; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    return gen_write(
        g, PD_STR("assets_gen.h"),
        pd_str_fmt(
            &g->arena,
            "/* Made by `pando gen` from assets/. Do not edit. */\n#ifndef GEN_ASSETS_H\n"
            "#define GEN_ASSETS_H\n\n#include <pando/app.h>\n\n/* Sorted by name. */\n"
            "extern const struct pd_asset %.*s_assets[];\nenum { %s_NASSETS = %zu };\n\n#endif\n",
            PD_ARG(app), upper, n));
}

/* A name that can stand in a C string and in a URL as it is. */
static bool is_plain_name(pd_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    memchr("-_./", c, 4);
        if (!fine)
            return false;
    }
    return true;
}

void gen_assets_read(struct gen *g)
{
    struct gen_asset_list *list = assets_of(g);
    for (size_t i = 0; i < list->n; i++) {
        if (is_plain_name(list->at[i].name))
            (void)asset_prepare(g, &list->at[i]);
        else
            gen_error(g, list->at[i].file, 0, 0, "PD-ASSET-006",
                      PD_STR("this file name cannot stand in a URL as it is"),
                      PD_STR("letters, digits, - and _ only"));
    }
}

pd_err gen_assets_write(struct gen *g)
{
    pd_str app = gen_app_name(g);
    struct gen_asset_list *list = assets_of(g);
    for (size_t i = 0; i < list->n; i++)
        pd_assert(list->at[i].state == ASSET_READY); /* errors end gen before anything is written */
    struct pd_buf b;
    pd_buf_init(&b, &g->arena, OUTPUT_MAX);
    pd_buf_fmt(&b, "/* Made by `pando gen` from assets/. Do not edit. */\n"
                   "#include \"assets_gen.h\"\n\n");
    for (size_t i = 0; i < list->n; i++) {
        put_bytes(&b, "data", i, list->at[i].data);
        if (list->at[i].gzip.ptr)
            put_bytes(&b, "gzip", i, list->at[i].gzip);
        if (list->at[i].brotli.ptr)
            put_bytes(&b, "brotli", i, list->at[i].brotli);
    }
    pd_buf_fmt(&b, "\nconst struct pd_asset %.*s_assets[] = {\n", PD_ARG(app));
    for (size_t i = 0; i < list->n; i++)
        put_entry(&b, &list->at[i], i);
    if (list->n == 0)
        pd_buf_fmt(&b, "    { .name = NULL }, /* C has no empty arrays */\n");
    pd_buf_fmt(&b, "};\n");
    if (b.failed)
        return pd_fail(PD_ETOOBIG, "the assets are over %d MiB", OUTPUT_MAX >> 20);
    PD_TRY(write_header(g, app, list->n));
    return gen_write(g, PD_STR("assets_gen.c"), pd_buf_str(&b));
}
