/* config.c - see config.h. Settings are few: they are kept in one array, in the order of their
 * declaration, and found by a linear search at start. A value remembers where it came from, so that
 * a complaint can say "pando.conf:3". */
#include "app/config.h"
#include "base/near.h"
#include "os/os.h"
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

struct value {
    const struct pd_setting *setting;
    const struct pd_platform_setting *platform; /* NULL: the app's */
    pd_str text;
    int64_t number;
    const char *from; /* "environment", "pando.conf"; NULL: default */
};

struct pd_config {
    struct pd_arena arena;
    struct value *values;
    unsigned n;
};

static const char THE_FILE[] = "pando.conf";
static const struct pd_config *in_use;

/* --- declared settings -------------------------------------------------------------------------
 */

static struct value *find(const struct pd_config *c, pd_str name)
{
    for (unsigned i = 0; i < c->n; i++)
        if (pd_str_eq(pd_str_c(c->values[i].setting->name), name))
            return &c->values[i];
    return NULL;
}

static struct pd_config *declare(const struct pd_app *app)
{
    struct pd_config *c = calloc(1, sizeof *c);
    if (!c)
        pd_panic("out of memory: the settings");
    pd_arena_init(&c->arena, &(struct pd_arena_opts){ .name = "config" });
    c->values = pd_arena_new_n(&c->arena, struct value, pd_nplatform_settings + app->nsettings);
    for (unsigned i = 0; i < pd_nplatform_settings; i++)
        c->values[c->n++] = (struct value){ .setting = &pd_platform_settings[i].s,
                                            .platform = &pd_platform_settings[i] };
    for (unsigned i = 0; i < app->nsettings; i++)
        c->values[c->n++] = (struct value){ .setting = &app->settings[i] };
    return c;
}

static pd_err unknown(struct pd_config *c, const char *from, pd_str name)
{
    pd_str *names = pd_arena_new_n(&c->arena, pd_str, c->n);
    for (unsigned i = 0; i < c->n; i++)
        names[i] = pd_str_c(c->values[i].setting->name);
    pd_str near = pd_nearest(name, names, c->n);
    pd_err e = pd_fail(PD_ECONFIG, "%s: unknown setting %.*s", from, PD_ARG(name));
    return near.len ? pd_hint(e, "did you mean %.*s?", PD_ARG(near))
                    : pd_hint(e, "remove it; `help` lists the settings");
}

/* --- values -------------------------------------------------------------------------------------
 */

static bool one_of(const char *choices, pd_str text)
{
    pd_str rest = pd_str_c(choices), choice;
    while (pd_str_split(&rest, '|', &choice))
        if (pd_str_eq(choice, text))
            return true;
    return false;
}

static bool parse_bool(pd_str text, int64_t *out)
{
    *out = one_of("on|true|yes|1", text);
    return *out || one_of("off|false|no|0", text);
}

/* "64", "64k", "10M", "1G". */
static bool parse_size(pd_str text, int64_t *out)
{
    static const char units[] = "kMG";
    const char *unit = text.len ? strchr(units, text.ptr[text.len - 1]) : NULL;
    int shift = unit && *unit ? 10 * (int)(unit - units + 1) : 0;
    int64_t n;
    if (!pd_str_to_i64(pd_str_sub(text, 0, text.len - (shift != 0)), &n) || n < 0)
        return false;
    return !__builtin_mul_overflow(n, (int64_t)1 << shift, out);
}

/* Of a URL nothing is said between its scheme and its (last) host: name and password are there. */
static pd_err bad(const struct value *v, const char *from, const char *what)
{
    bool secret = v->setting->secret || (v->platform && v->platform->flags & PD_SET_SECRET);
    pd_str head = v->text, tail = PD_STR("");
    if (secret)
        return pd_fail(PD_ECONFIG, "%s: %s %s", from, v->setting->name, what);
    size_t scheme = pd_str_find_str(head, PD_STR("://")), at = head.len;
    while (at > 0 && head.ptr[at - 1] != '@')
        at--;
    if (scheme != PD_NPOS && at > scheme + 3) {
        tail = pd_str_sub(head, at - 1, head.len);
        head = pd_str_sub(head, 0, scheme + 3);
    }
    return pd_fail(PD_ECONFIG, "%s: %s=%.*s%s%.*s %s", from, v->setting->name, PD_ARG(head),
                   tail.len ? "…" : "", PD_ARG(tail), what);
}

static pd_err parse_number(struct value *v, const char *from)
{
    const struct pd_setting *s = v->setting;
    bool ok = false;
    if (s->kind == PD_SETTING_BOOL)
        return parse_bool(v->text, &v->number) ? PD_OK : bad(v, from, "is neither on nor off");
    if (s->kind == PD_SETTING_SIZE)
        ok = parse_size(v->text, &v->number);
    else
        ok = pd_str_to_i64(v->text, &v->number);
    if (ok && v->number >= s->min && v->number <= s->max)
        return PD_OK;
    char what[96];
    if (s->min == s->max)
        snprintf(what, sizeof what, "is not possible in this version: only %lld is",
                 (long long)s->min);
    else
        snprintf(what, sizeof what, "is not a whole number from %lld to %lld", (long long)s->min,
                 (long long)s->max);
    return bad(v, from, what);
}

static pd_err set(struct pd_config *c, const char *from, pd_str name, pd_str text)
{
    struct value *v = find(c, name);
    if (!v)
        return unknown(c, from, name);
    v->text = pd_str_dup(&c->arena, text);
    v->from = from;
    const struct pd_platform_setting *p = v->platform;
    if (p && p->flags & PD_SET_ABSENT && text.len)
        return bad(v, from, "is for something that is not part of this version: leave it out");
    if (p && p->choices && !one_of(p->choices, text)) {
        char what[96];
        snprintf(what, sizeof what, "is none of %s", p->choices);
        return bad(v, from, what);
    }
    const char *wrong = p && p->check ? p->check(v->text) : NULL;
    if (wrong)
        return bad(v, from, wrong);
    return v->setting->kind == PD_SETTING_TEXT ? PD_OK : parse_number(v, from);
}

/* --- where they come from
 * -------------------------------------------------------------------------- */

/* Other programs' variables are none of our business; those that begin with PANDO_ are. */
static pd_err set_from_environment(struct pd_config *c, const char *pair)
{
    pd_str text = pd_str_c(pair), name;
    if (!pd_str_split(&text, '=', &name))
        return PD_OK;
    if (!find(c, name) && !pd_str_starts(name, PD_STR("PANDO_")))
        return PD_OK;
    return set(c, "environment", name, pd_str_is_null(text) ? PD_STR("") : text);
}

static int on_ini(void *user, const char *section, const char *name, const char *text)
{
    struct pd_config *c = user;
    if (section[0]) {
        (void)!pd_fail(PD_ECONFIG, "pando.conf: there are no sections, but it has [%s]", section);
        return 0;
    }
    struct value *v = find(c, pd_str_c(name));
    if (v && v->from == THE_FILE) {
        (void)!pd_hint(pd_fail(PD_ECONFIG, "pando.conf: %s is set a second time", name),
                       "remove one; an indented line belongs to the line above it");
        return 0;
    }
    if (v && v->from)
        return 1; /* the environment wins */
    return set(c, THE_FILE, pd_str_c(name), pd_str_c(text)) == PD_OK;
}

/* inih goes on after a wrong line and returns the first one's number, so only the first complaint
 * is kept: the handler's later ones are undone by starting from a copy of the first diag. */
struct ini_state {
    struct pd_config *config;
    struct pd_diag first;
    bool failed;
};

static int on_ini_first(void *user, const char *section, const char *name, const char *text)
{
    struct ini_state *st = user;
    if (st->failed || on_ini(st->config, section, name, text))
        return 1;
    st->first = *pd_diag();
    st->failed = true;
    return 0;
}

static pd_err set_from_file(struct pd_config *c)
{
    struct ini_state st = { .config = c };
    pd_str text;
    pd_err e = pd_os_file_read(&c->arena, PD_STR("pando.conf"), PD_CONFIG_FILE_MAX, &text);
    if (e == PD_ENOTFOUND)
        return PD_OK;
    PD_TRY(e);
    int line = ini_parse_string(pd_str_cstr(&c->arena, text), on_ini_first, &st);
    if (st.failed) {
        const char *message = st.first.message;
        if (strncmp(message, "pando.conf: ", 12) == 0)
            message += 12;
        e = pd_fail(PD_ECONFIG, "pando.conf:%d: %s", line, message);
        return st.first.hint[0] ? pd_hint(e, "%s", st.first.hint) : e;
    }
    return line ? pd_fail(PD_ECONFIG, "pando.conf:%d: not NAME = VALUE, such as PORT = 8080", line)
                : PD_OK;
}

/* --- defaults
 * ------------------------------------------------------------------------------------------ */

static pd_err apply_defaults(struct pd_config *c, const struct pd_app *app)
{
    struct value *url = find(c, PD_STR("DATABASE_URL"));
    if (!url->from)
        url->text = pd_str_fmt(&c->arena, "sqlite:var/%s.db", app->name);
    struct value *host = find(c, PD_STR("HOST"));
    if (!host->text.len)
        host->text =
            pd_config_is(c, "PANDO_ENV", "production") ? PD_STR("0.0.0.0") : PD_STR("127.0.0.1");
    struct pd_os_addr addr;
    char with_port[300];
    snprintf(with_port, sizeof with_port, "%.*s:1", PD_ARG(host->text));
    if (!pd_os_addr_parse(pd_str_c(with_port), &addr))
        return bad(host, host->from ? host->from : "default",
                   "is not a numeric address: write 127.0.0.1 for this machine alone, or 0.0.0.0");
    return PD_OK;
}

static pd_err set_defaults(struct pd_config *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        struct value *v = &c->values[i];
        v->text = pd_str_c(v->setting->default_value);
        if (v->setting->kind != PD_SETTING_TEXT)
            PD_TRY(parse_number(v, "default"));
    }
    return PD_OK;
}

static pd_err load(struct pd_config *c, const struct pd_app *app, const char *const *pairs,
                   unsigned n, bool file)
{
    PD_TRY(set_defaults(c));
    for (unsigned i = 0; i < n; i++)
        PD_TRY(set_from_environment(c, pairs[i]));
    if (file)
        PD_TRY(set_from_file(c));
    return apply_defaults(c, app);
}

static pd_err make(const struct pd_app *app, const char *const *pairs, unsigned n, bool file,
                   struct pd_config **out)
{
    struct pd_config *c = declare(app);
    pd_err e = load(c, app, pairs, n, file);
    if (e != PD_OK) {
        pd_config_free(c);
        return e;
    }
    *out = c;
    return PD_OK;
}

/* --- public
 * ---------------------------------------------------------------------------------------------- */

pd_err pd_config_load(const struct pd_app *app, struct pd_config **out)
{
    unsigned n = 0;
    while (environ[n])
        n++;
    return make(app, (const char *const *)environ, n, true, out);
}

pd_err pd_config_from(const struct pd_app *app, const char *const *pairs, unsigned n,
                      struct pd_config **out)
{
    return make(app, pairs, n, false, out);
}

void pd_config_free(struct pd_config *c)
{
    if (!c)
        return;
    if (in_use == c)
        in_use = NULL;
    pd_arena_fini(&c->arena);
    free(c);
}

static const struct value *must_find(const struct pd_config *c, const char *name)
{
    const struct value *v = c ? find(c, pd_str_c(name)) : NULL;
    if (!v)
        pd_panic("setting %s is not declared", name);
    return v;
}

pd_str pd_config_get(const struct pd_config *c, const char *name)
{
    return must_find(c, name)->text;
}

int64_t pd_config_int(const struct pd_config *c, const char *name)
{
    return must_find(c, name)->number;
}

bool pd_config_is(const struct pd_config *c, const char *name, const char *value)
{
    return pd_str_eq(pd_config_get(c, name), pd_str_c(value));
}

void pd_config_use(const struct pd_config *c)
{
    in_use = c;
}

static pd_err make_secret(struct pd_config *c, pd_str path, pd_str *out)
{
    uint8_t key[32];
    struct pd_buf hex;
    pd_os_random(key, sizeof key);
    pd_buf_init(&hex, &c->arena, 2 * sizeof key);
    pd_buf_put_hex(&hex, key, sizeof key);
    *out = pd_buf_str(&hex);
    return pd_os_file_write(path, *out, 0600);
}

pd_err pd_config_secret(struct pd_config *c, const char *dir)
{
    struct value *v = find(c, PD_STR("SECRET_KEY"));
    if (v->text.len)
        return PD_OK;
    if (pd_config_is(c, "PANDO_ENV", "production"))
        return pd_hint(pd_fail(PD_ECONFIG, "SECRET_KEY is required in production"),
                       "make one with: openssl rand -hex 32");
    pd_str path = pd_str_fmt(&c->arena, "%s/secret_key", dir), text;
    pd_err e = pd_os_file_read(&c->arena, path, 4096, &text);
    if (e == PD_ENOTFOUND) {
        PD_TRY(pd_os_dir_make(pd_str_c(dir)));
        PD_TRY(make_secret(c, path, &text));
    } else {
        PD_TRY(e);
    }
    v->text = pd_str_trim(text);
    const char *wrong = v->platform->check(v->text);
    return wrong ? pd_fail(PD_ECONFIG, "%.*s: the key %s", PD_ARG(path), wrong) : PD_OK;
}

pd_str pd_setting(const char *name)
{
    return pd_config_get(in_use, name);
}

int64_t pd_setting_int(const char *name)
{
    return pd_config_int(in_use, name);
}

bool pd_is_production(void)
{
    return pd_config_is(in_use, "PANDO_ENV", "production");
}

bool pd_is_development(void)
{
    return pd_config_is(in_use, "PANDO_ENV", "development");
}

unsigned pd_config_threads(const struct pd_config *c)
{
    int64_t n = pd_config_int(c, "THREADS");
    if (n == 0)
        n = pd_config_is(c, "PANDO_ENV", "production") ? sysconf(_SC_NPROCESSORS_ONLN) : 1;
    return n < 1 ? 1 : n > 256 ? 256 : (unsigned)n;
}
