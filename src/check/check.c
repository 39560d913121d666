/* check.c - a whole run: build, look from three sides, apply the rules, compare with check.todo. */
#include "check/check.h"

#include <time.h>

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* "./shop/" -> "shop": what is put before the names of files reads as the author typed it. */
static pd_str tidy_app(pd_str app)
{
    while (pd_str_starts(app, PD_STR("./")) && app.len > 2)
        app = pd_str_sub(app, 2, app.len);
    while (app.len > 1 && app.ptr[app.len - 1] == '/')
        app.len--;
    return app.len && !pd_str_eq(app, PD_STR("./")) ? app : PD_STR(".");
}

void check_init(struct check *k, const struct check_opts *opts)
{
    *k = (struct check){ .opts = *opts, .prefix = PD_STR("") };
    pd_arena_init(&k->arena, &(struct pd_arena_opts){ .name = "check", .budget = (size_t)1 << 32 });
    gen_init(&k->gen);
    k->opts.app = tidy_app(opts->app);
    if (!pd_str_eq(k->opts.app, PD_STR(".")))
        k->prefix = pd_str_fmt(&k->arena, "%.*s/", PD_ARG(k->opts.app));
    k->root = check_real(k, PD_STR_NULL, pd_str_dup(&k->arena, k->opts.app));
    pd_map_init(&k->statements, &k->arena, PD_MAP_STR);
    pd_map_init(&k->globals, &k->arena, PD_MAP_STR);
    pd_map_init(&k->texts, &k->arena, PD_MAP_STR);
}

void check_fini(struct check *k)
{
    gen_fini(&k->gen);
    pd_arena_fini(&k->arena);
}

void check_modules_add(struct check *k)
{
    struct check_module **end = &k->modules;
    for (struct gen_module *g = k->gen.modules; g; g = g->next) {
        struct check_module *m = pd_arena_new(&k->arena, struct check_module);
        *m = (struct check_module){ .name = g->name, .dir = check_real(k, PD_STR_NULL, g->dir) };
        m->conf = pd_str_fmt(&k->arena, "%.*smodules/%.*s/module.conf", PD_ARG(k->prefix),
                             PD_ARG(m->name));
        *end = m;
        end = &m->next;
    }
}

pd_err check_modules_scan(struct check *k)
{
    PD_TRY(gen_scan(&k->gen, k->opts.app));
    check_modules_add(k);
    return PD_OK;
}

/* Objects and sources of all units. What is generated is read for its symbols only. */
static pd_err read_units(struct check *k)
{
    size_t n = 0, own = 0;
    for (struct check_unit *u = k->units; u; u = u->next)
        n++;
    struct check_unit **units = pd_arena_new_n(&k->arena, struct check_unit *, n);
    pd_str *texts = pd_arena_new_n(&k->arena, pd_str, n);
    for (struct check_unit *u = k->units; u; u = u->next) {
        if (!u->generated)
            units[own++] = u;
        PD_TRY(check_object_read(k, u));
    }
    PD_TRY(check_preprocess(k, units, own, texts));
    for (size_t i = 0; i < own; i++)
        check_parse(k, units[i], texts[i]);
    check_graph(k);
    return PD_OK;
}

static pd_err look(struct check *k)
{
    PD_TRY(check_gen(k));
    if (k->gen.errors)
        return PD_OK; /* without the statements the rest would be guesswork */
    check_modules_add(k);
    PD_TRY(check_units_read(k));
    check_conf_read(k);
    check_statements(k);
    PD_TRY(read_units(k));
    check_state(k);
    check_nplus1(k);
    check_blocking(k);
    check_sql(k);
    check_includes(k);
    check_symbols(k);
    check_cycles(k);
    check_listed(k);
    return PD_OK;
}

pd_err check_run(struct check *k)
{
    int64_t start = now_us();
    if (!gen_exists(&k->gen, pd_str_fmt(&k->arena, "%.*s/modules", PD_ARG(k->root))))
        return pd_hint(pd_fail(PD_ENOTFOUND, "%.*s has no folder modules", PD_ARG(k->root)),
                       "go to the app's folder, or give it: --app DIR");
    pd_err built = k->opts.no_build ? PD_OK : check_build(k);
    struct pd_diag why = *pd_diag();
    int64_t looked = now_us();
    pd_err e = look(k);
    /* What does not link may be what a finding explains: a private symbol. */
    if (built != PD_OK && (e != PD_OK || !k->nfindings))
        return pd_hint(pd_fail(built, "%s", why.message), "%s", why.hint);
    PD_TRY(e);
    check_findings_sort(k);
    PD_TRY(check_todo(k));
    k->build_us = looked - start;
    k->check_us = now_us() - looked;
    return PD_OK;
}
