/* gen.c - a whole run: read everything, check everything, then write everything. */
#include "gen/gen.h"

static pd_err count_errors(const struct gen *g)
{
    PD_TRY(gen_seen(g));
    if (g->errors == 0)
        return PD_OK;
    return pd_fail(PD_EINVAL, "%u error%s, nothing written", g->errors, g->errors == 1 ? "" : "s");
}

pd_err gen_look(struct gen *g, const struct gen_opts *opts)
{
    PD_TRY(gen_scan(g, opts->app));
    g->out_dir = opts->out;
    g->app_name = opts->name;
    g->postgres = opts->postgres;
    gen_sql_read(g);
    gen_shapes_read(g);
    gen_model_resolve(g);
    if (g->errors == 0) /* without the structs a template would only repeat what is missing */
        gen_views_read(g);
    return count_errors(g);
}

pd_err gen_run(struct gen *g, const struct gen_opts *opts)
{
    PD_TRY(gen_look(g, opts));
    if (opts->check) {
        gen_lock_check(g);
        return count_errors(g);
    }
    PD_TRY(gen_sql_write(g));
    PD_TRY(gen_shapes_write(g));
    PD_TRY(gen_views_write(g));
    PD_TRY(gen_assets_write(g));
    return gen_lock_write(g);
}
