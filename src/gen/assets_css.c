/* assets_css.c - references inside a style sheet.
 *
 * Copies the sheet and, on the way, replaces what stands in url(…) and behind @import by the hashed
 * name of the asset it means. A reference is relative to its sheet; since hashing changes only the
 * last part of a path, that part is all that is replaced. References with a scheme, to other hosts,
 * or to a fragment are left alone. A missing file is an error: it would be a 404 in the browser.
 */
#include "gen/assets.h"

struct sheet {
    struct gen *g;
    struct asset *asset;
    pd_str text;
    size_t at;
    struct pd_buf out;
    bool ok;
};

static void complain(struct sheet *s, const char *code, pd_str message, const char *remedy)
{
    int line = 1;
    for (size_t i = 0; i < s->at; i++)
        line += s->text.ptr[i] == '\n';
    gen_error(s->g, s->asset->file, line, 0, code, message, pd_str_c(remedy));
    s->ok = false;
}

static bool is_foreign(pd_str url)
{
    size_t colon = pd_str_find(url, ':');
    return url.len == 0 || url.ptr[0] == '/' || url.ptr[0] == '#' || colon != PD_NPOS;
}

/* "css/base/app.css" + "../img/a.svg" -> "css/img/a.svg"; null if it leaves assets/. */
static pd_str resolve(struct sheet *s, pd_str url)
{
    struct pd_buf path;
    pd_buf_init(&path, &s->g->arena, 4096);
    pd_str name = s->asset->name, part;
    size_t slash = name.len;
    while (slash > 0 && name.ptr[slash - 1] != '/')
        slash--;
    pd_buf_put(&path, pd_str_sub(name, 0, slash));
    while (pd_str_split(&url, '/', &part)) {
        if (part.len == 0 || pd_str_eq(part, PD_STR(".")))
            continue;
        if (!pd_str_eq(part, PD_STR(".."))) {
            pd_buf_fmt(&path, "%.*s/", PD_ARG(part));
            continue;
        }
        if (path.len == 0)
            return PD_STR_NULL;
        do
            path.len--;
        while (path.len > 0 && path.ptr[path.len - 1] != '/');
    }
    pd_str whole = pd_buf_str(&path);
    return whole.len ? pd_str_sub(whole, 0, whole.len - 1) : whole;
}

static void missing(struct sheet *s, pd_str url, pd_str name)
{
    size_t n;
    const pd_str *names = gen_asset_names(s->g, &n);
    pd_str remedy = gen_did_you_mean(s->g, name, names, n,
                                     PD_STR("put the file into assets/, or correct the reference"));
    complain(s, "PD-ASSET-002",
             pd_str_fmt(&s->g->arena, "\"%.*s\" refers to no asset", PD_ARG(url)),
             pd_str_cstr(&s->g->arena, remedy));
}

static pd_str last_part(pd_str path)
{
    size_t from = path.len;
    while (from > 0 && path.ptr[from - 1] != '/')
        from--;
    return pd_str_sub(path, from, path.len);
}

/* Writes the reference `url`, hashed if it is one of ours. */
static void put_reference(struct sheet *s, pd_str url)
{
    if (is_foreign(url)) {
        pd_buf_put(&s->out, url);
        return;
    }
    size_t end = 0;
    while (end < url.len && url.ptr[end] != '?' && url.ptr[end] != '#')
        end++;
    pd_str path = pd_str_sub(url, 0, end), name = resolve(s, path);
    struct asset *target = name.len ? asset_find(s->g, name) : NULL;
    if (!target) {
        missing(s, url, name);
        return;
    }
    if (target->state == ASSET_BUSY) {
        complain(s, "PD-ASSET-003", PD_STR("style sheets that import each other"),
                 "move what both need into a third sheet");
        return;
    }
    s->ok = asset_prepare(s->g, target) && s->ok;
    pd_buf_put(&s->out, pd_str_sub(path, 0, path.len - last_part(path).len));
    pd_buf_put(&s->out, last_part(target->hashed));
    pd_buf_put(&s->out, pd_str_sub(url, end, url.len));
}

static void copy_to(struct sheet *s, size_t to)
{
    pd_buf_put(&s->out, pd_str_sub(s->text, s->at, to));
    s->at = to;
}

static bool at_text(const struct sheet *s, const char *text)
{
    pd_str rest = pd_str_sub(s->text, s->at, s->at + strlen(text));
    return pd_str_eq_nocase(rest, pd_str_c(text));
}

static size_t find_from(const struct sheet *s, size_t from, const char *text)
{
    size_t n = pd_str_find_str(pd_str_sub(s->text, from, s->text.len), pd_str_c(text));
    return n == PD_NPOS ? s->text.len : from + n;
}

/* s stands behind an opening quote: to the quote that ends it, escapes skipped. */
static size_t end_of_quote(const struct sheet *s, char quote)
{
    size_t i = s->at;
    while (i < s->text.len && s->text.ptr[i] != quote && s->text.ptr[i] != '\n')
        i += s->text.ptr[i] == '\\' ? 2 : 1;
    return i < s->text.len ? i : s->text.len;
}

static void copy_blanks(struct sheet *s)
{
    size_t i = s->at;
    while (i < s->text.len && (unsigned char)s->text.ptr[i] <= ' ')
        i++;
    copy_to(s, i);
}

static void quoted_reference(struct sheet *s, char quote)
{
    copy_to(s, s->at + 1);
    size_t end = end_of_quote(s, quote);
    put_reference(s, pd_str_sub(s->text, s->at, end));
    s->at = end;
    copy_to(s, end < s->text.len ? end + 1 : end); /* the closing quote opens nothing */
}

/* s stands behind "url(" or "@import". */
static void reference(struct sheet *s, bool bare)
{
    copy_blanks(s);
    char c = s->at < s->text.len ? s->text.ptr[s->at] : 0;
    if (c == '"' || c == '\'') {
        quoted_reference(s, c);
        return;
    }
    if (!bare)
        return;
    size_t end = find_from(s, s->at, ")");
    pd_str url = pd_str_trim(pd_str_sub(s->text, s->at, end));
    put_reference(s, url);
    s->at = end;
}

static void step(struct sheet *s)
{
    char c = s->text.ptr[s->at];
    if (at_text(s, "/*")) {
        size_t end = find_from(s, s->at + 2, "*/");
        copy_to(s, end < s->text.len ? end + 2 : end);
    } else if (at_text(s, "url(")) {
        copy_to(s, s->at + 4);
        reference(s, true);
    } else if (at_text(s, "@import")) {
        copy_to(s, s->at + 7);
        reference(s, false);
    } else if (c == '"' || c == '\'') {
        copy_to(s, s->at + 1);
        copy_to(s, end_of_quote(s, c));
        copy_to(s, s->at < s->text.len ? s->at + 1 : s->at);
    } else {
        copy_to(s, s->at + 1);
    }
}

bool asset_rewrite_css(struct gen *g, struct asset *a)
{
    struct sheet s = { .g = g, .asset = a, .text = a->data, .ok = true };
    pd_buf_init(&s.out, &g->arena, (size_t)GEN_FILE_MAX * 2);
    while (s.at < s.text.len)
        step(&s);
    a->data = pd_buf_str(&s.out);
    return s.ok && !s.out.failed;
}
