/* pando_app.c - the benchmark's server as an author would write it: router, fibers, contexts,
 * security headers, metrics and access log on. Started as `pando_app serve` with PORT set. */
#include <pando/pando.h>

struct greeting {
    pd_str message;
};
/* What `pando gen` would write; one struct is not worth a build step here. */
static const struct pd_field greeting_fields[] = {
    { .name = "message", .name_len = 7, .type = PD_T_STR, .offset = 0 },
};
static const struct pd_shape greeting_shape = {
    .name = "greeting", .size = sizeof(struct greeting), .nfields = 1, .fields = greeting_fields
};

static pd_status plaintext(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"), PD_STR("Hello, World!"));
}

static pd_status json(struct pd_ctx *c)
{
    struct greeting g = { PD_STR("Hello, World!") };
    return pd_json(c, 200, greeting, &g);
}

static const struct pd_route routes[] = {
    { PD_GET_, "/plaintext", plaintext },
    { PD_GET_, "/json", json },
};
static const struct pd_module site = { .name = "bench", .routes = routes, .nroutes = 2 };
static const struct pd_module *const modules[] = { &site };
static const struct pd_app app = {
    .name = "bench", .version = "1", .modules = modules, .nmodules = 1
};

int main(int argc, char **argv)
{
    return pd_app_main(&app, argc, argv);
}
