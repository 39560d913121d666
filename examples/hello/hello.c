/* The smallest whole app: two routes, one of them with a typed parameter. */
#include <pando/pando.h>

static pd_status hello(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain; charset=utf-8"), PD_STR("Hello, world\n"));
}

static pd_status square(struct pd_ctx *c)
{
    int64_t n = pd_path_id(c, "n");
    pd_str body = pd_str_fmt(c->arena, "%ld squared is %ld\n", n, n * n);
    return pd_text(c, 200, PD_STR("text/plain; charset=utf-8"), body);
}

static const struct pd_route routes[] = {
    { PD_GET_, "/", hello },
    { PD_GET_, "/square/{n:int}", square },
};
static const struct pd_module site = { .name = "site", .routes = routes, .nroutes = 2 };
static const struct pd_module *const modules[] = { &site };
static const struct pd_app app = {
    .name = "hello", .version = "1", .modules = modules, .nmodules = 1
};

int main(int argc, char **argv)
{
    return pd_app_main(&app, argc, argv);
}
