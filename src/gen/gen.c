/* gen.c - a whole run: read everything, check everything, then write everything. */
#include "gen/gen.h"

static pd_err read_all(struct gen *g, const struct gen_opts *opts)
{
    PD_TRY(gen_scan(g, opts->app));
    g->out_dir = opts->out;
    g->app_name = opts->name;
    gen_sql_read(g);
    gen_shapes_read(g);
    gen_model_resolve(g);
    if (g->errors == 0) /* without the structs a template would only repeat what is missing */
        gen_views_read(g);
    if (opts->check && g->errors == 0)
        gen_lock_check(g);
    if (g->errors)
        return pd_fail(PD_EINVAL, "%u error%s, nothing written", g->errors,
                       g->errors == 1 ? "" : "s");
    return PD_OK;
}

pd_err gen_run(struct gen *g, const struct gen_opts *opts)
{
    PD_TRY(read_all(g, opts));
    if (opts->check)
        return PD_OK;
    PD_TRY(gen_sql_write(g));
    PD_TRY(gen_shapes_write(g));
    PD_TRY(gen_views_write(g));
    PD_TRY(gen_assets_write(g));
    return gen_lock_write(g);
}
