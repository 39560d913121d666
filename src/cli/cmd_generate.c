/* cmd_generate.c - pando generate module | resource | page.
 *
 * New files only, from share/skeleton; what exists is never overwritten. Three existing files get a
 * line, above a comment "pando: …" that marks the place; where the mark is gone, the command says
 * what to add.
 */
#include "cli/app.h"
#include "cli/cli.h"
#include "cli/resource.h"

#include <ctype.h>
#include <stdio.h>

struct maker { /* one run */
    struct pd_arena *arena;
    struct cli_app app;
    pd_str share;
    unsigned missing;    /* marks not found */
    const char *changed; /* the file changed last */
};

static void say_made(void *arg, pd_str path)
{
    const struct maker *m = arg;
    printf("  new     %.*s\n", PD_ARG(pd_str_sub(path, m->app.dir.len + 1, path.len)));
}

/* --- existing files --------------------------------------------------------------------------- */

/* Puts `line` above the one that contains `mark`. */
static pd_err add_above(struct maker *m, const char *file, const char *mark, pd_str line)
{
    pd_str text = PD_STR(""), path = pd_str_fmt(m->arena, "%.*s/%s", PD_ARG(m->app.dir), file);
    if (cli_exists(m->arena, path))
        PD_TRY(cli_read(m->arena, path, &text));
    size_t at = pd_str_find_str(text, pd_str_c(mark));
    if (at == PD_NPOS) {
        printf("  to do   add to %s:\n            %.*s\n", file, PD_ARG(pd_str_trim(line)));
        m->missing++;
        return PD_OK;
    }
    while (at > 0 && text.ptr[at - 1] != '\n')
        at--;
    pd_str whole = pd_str_fmt(m->arena, "%.*s%.*s\n%.*s", (int)at, text.ptr, PD_ARG(line),
                              PD_ARG(pd_str_sub(text, at, text.len)));
    PD_TRY(cli_replace(m->arena, path, whole));
    if (!m->changed || strcmp(m->changed, file) != 0) /* said once, however many lines it gets */
        printf("  changed %s\n", file);
    m->changed = file;
    return PD_OK;
}

static pd_err add_to_app(struct maker *m, pd_str module)
{
    PD_TRY(add_above(
        m, "app.c", "pando: includes",
        pd_str_fmt(m->arena, "#include \"%.*s/%.*s.h\"", PD_ARG(module), PD_ARG(module))));
    return add_above(m, "app.c", "pando: modules",
                     pd_str_fmt(m->arena, "    &%.*s_module,", PD_ARG(module)));
}

static pd_err add_to_site(struct maker *m, pd_str module)
{
    pd_str label = resource_words(m->arena, module, true);
    PD_TRY(add_above(m, "modules/site/templates/layout_page.html", "pando: navigation",
                     pd_str_fmt(m->arena,
                                "<a href=\"/%.*s\"{{#frame.section == \"%.*s\"}} "
                                "aria-current=\"page\"{{/}}>%.*s</a>",
                                PD_ARG(module), PD_ARG(module), PD_ARG(label))));
    return add_above(m, "modules/site/templates/home.html", "pando: home",
                     pd_str_fmt(m->arena,
                                "<li><a class=\"card\" href=\"/%.*s\"><strong>%.*s</strong>"
                                "<span>%.*s/%.*s</span></a></li>",
                                PD_ARG(module), PD_ARG(label), 7, "modules", PD_ARG(module)));
}

/* --- module, resource ------------------------------------------------------------------------- */

static pd_err refuse_existing(struct maker *m, pd_str module)
{
    pd_str dir = pd_str_fmt(m->arena, "%.*s/modules/%.*s", PD_ARG(m->app.dir), PD_ARG(module));
    if (!cli_exists(m->arena, dir))
        return PD_OK;
    return pd_hint(pd_fail(PD_EEXISTS, "there is a module %.*s already", PD_ARG(module)),
                   "choose another name; nothing that exists is overwritten (if it is what an "
                   "interrupted run left: rm -r modules/%.*s tests/%.*s_*)",
                   PD_ARG(module), PD_ARG(module));
}

static pd_err fill(struct maker *m, const char *skeleton, struct cli_words *words)
{
    cli_word_put(words, "app", m->app.symbol);
    pd_str from = pd_str_fmt(m->arena, "%.*s/skeleton/%s", PD_ARG(m->share), skeleton);
    return cli_fill_tree(m->arena, from, m->app.dir, words, say_made, m);
}

/* Pages have the frame of module site, and rows belong to somebody of module people. */
static pd_err need_modules(struct maker *m)
{
    static const char *const needed[] = { "people/people.h", "site/site.h" };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!cli_exists(m->arena,
                        pd_str_fmt(m->arena, "%.*s/modules/%s", PD_ARG(m->app.dir), needed[i])))
            return pd_hint(pd_fail(PD_ENOTFOUND, "this app has no modules/%s", needed[i]),
                           "pages and resources build on the modules people and site of `pando "
                           "new`; a plain module "
                           "needs neither: pando generate module NAME");
    return PD_OK;
}

static pd_err make_module(struct maker *m, pd_str name)
{
    struct cli_words words = { .n = 0 };
    char *upper = pd_str_cstr(m->arena, name);
    PD_TRY(resource_check_name(name, "module"));
    PD_TRY(refuse_existing(m, name));
    for (char *at = upper; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    cli_word_put(&words, "module", name);
    cli_word_put(&words, "MODULE", pd_str_c(upper));
    cli_word_put(&words, "words", resource_words(m->arena, name, true));
    bool framed = need_modules(m) == PD_OK; /* else it answers a plain text */
    PD_TRY(fill(m, framed ? "module" : "bare", &words));
    PD_TRY(add_to_app(m, name));
    return framed ? add_to_site(m, name) : PD_OK;
}

static pd_err make_resource(struct maker *m, struct cli_args *args)
{
    struct resource *r = pd_arena_new(m->arena, struct resource);
    r->arena = m->arena;
    r->app = m->app.dir;
    r->name = pd_str_c(args->words[1]);
    const char *plural = cli_option(args, "--plural"), *currency = cli_option(args, "--currency");
    PD_TRY(resource_check_name(r->name, "resource"));
    r->module = plural ? pd_str_c(plural) : resource_plural(m->arena, r->name);
    PD_TRY(resource_check_name(r->module, "module"));
    PD_TRY(refuse_existing(m, r->module));
    r->table = pd_str_fmt(m->arena, "%.*s_%.*s", PD_ARG(r->module), PD_ARG(r->name));
    r->currency = currency ? pd_str_c(currency) : PD_STR("EUR");
    if (r->currency.len != 3 || pd_currency_decimals(r->currency) != 2)
        return pd_hint(
            pd_fail(PD_EINVAL, "\"%.*s\" is no currency with two decimals", PD_ARG(r->currency)),
            "write --currency USD, or change @decimals in shapes.h afterwards");
    for (int i = 2; i < args->nwords; i++)
        PD_TRY(resource_add_field(r, pd_str_c(args->words[i])));
    if (r->nfields == 0)
        return pd_hint(pd_fail(PD_EINVAL, "a resource has fields"),
                       "pando generate resource %.*s name:text price:money", PD_ARG(r->name));
    struct cli_words words = resource_words_of(r);
    PD_TRY(fill(m, "resource", &words));
    PD_TRY(add_to_app(m, r->module));
    return add_to_site(m, r->module);
}

/* --- page ------------------------------------------------------------------------------------- */

/* "about" is a page of module site, "notes/archive" one of notes. */
static pd_err make_page(struct maker *m, pd_str path)
{
    struct cli_words words = { .n = 0 };
    pd_str module = PD_STR("site"), name = path;
    if (pd_str_find(path, '/') != PD_NPOS)
        pd_str_split(&name, '/', &module);
    PD_TRY(resource_check_name(module, "module"));
    PD_TRY(resource_check_name(name, "page"));
    pd_str dir = pd_str_fmt(m->arena, "%.*s/modules/%.*s", PD_ARG(m->app.dir), PD_ARG(module));
    if (!cli_is_dir(m->arena, dir))
        return pd_hint(pd_fail(PD_ENOTFOUND, "there is no module %.*s", PD_ARG(module)),
                       "make it first: pando generate module %.*s", PD_ARG(module));
    bool own = pd_str_eq(module, PD_STR("site"));
    cli_word_put(&words, "module", module);
    cli_word_put(&words, "page", name);
    cli_word_put(&words, "layout", own ? PD_STR("layout_page") : PD_STR("site/layout_page"));
    cli_word_put(&words, "url", own ? name : path);
    cli_word_put(&words, "words", resource_words(m->arena, name, true));
    pd_str views = pd_str_fmt(m->arena, "modules/%.*s/shapes.h", PD_ARG(module));
    pd_str routes = pd_str_fmt(m->arena, "modules/%.*s/%.*s.c", PD_ARG(module), PD_ARG(module));
    PD_TRY(fill(m, "page", &words));
    PD_TRY(
        add_above(m, views.ptr, "pando: views",
                  pd_str_fmt(m->arena, "struct %.*s_%.*s_view {\n    struct site_frame frame;\n};",
                             PD_ARG(module), PD_ARG(name))));
    PD_TRY(
        add_above(m, routes.ptr, "pando: pages",
                  pd_str_fmt(m->arena, "pd_status %.*s_show_%.*s(struct pd_ctx *c); /* %.*s.c */",
                             PD_ARG(module), PD_ARG(name), PD_ARG(name))));
    return add_above(m, routes.ptr, "pando: routes",
                     pd_str_fmt(m->arena,
                                "    { PD_GET_, \"/%.*s\", %.*s_show_%.*s, .doc = \"%.*s\" },",
                                PD_ARG(own ? name : path), PD_ARG(module), PD_ARG(name),
                                PD_ARG(resource_words(m->arena, name, true))));
}

/* --- the command ------------------------------------------------------------------------------ */

static pd_err make(struct maker *m, struct cli_args *args)
{
    PD_TRY(cli_app_find(m->arena, &m->app));
    PD_TRY(cli_share_dir(m->arena, &m->share));
    pd_str name = pd_str_c(args->words[1]);
    if (strcmp(args->words[0], "module") == 0)
        return make_module(m, name);
    PD_TRY(need_modules(m));
    return strcmp(args->words[0], "page") == 0 ? make_page(m, name) : make_resource(m, args);
}

static bool is_kind(const char *word)
{
    return strcmp(word, "module") == 0 || strcmp(word, "resource") == 0 ||
           strcmp(word, "page") == 0;
}

static int run(struct cli_args *args)
{
    struct maker m = { .arena = args->arena };
    if (!is_kind(args->words[0]))
        return cli_usage_error(
            args->command, "it makes a module, a resource or a page, not a \"%s\"", args->words[0]);
    if (args->nwords > 2 && strcmp(args->words[0], "resource") != 0)
        return cli_usage_error(args->command, "\"%s\" is too much", args->words[2]);
    pd_err e = make(&m, args);
    if (e != PD_OK) {
        int code = cli_complain(args->command, e);
        return e == PD_EINVAL ? CLI_USAGE : code;
    }
    printf("\n%s\n", m.missing ? "Do what is left above, then: pando test" : "Next: pando test");
    return CLI_OK;
}

const struct cli_command cmd_generate = {
    .name = "generate",
    .usage = "module NAME | resource NAME FIELD:TYPE… | page [MODULE/]NAME",
    .doc = "add a module, a resource or a page to the app",
    .group = CLI_WORK,
    .min_words = 2,
    .max_words = -1,
    .words = "module resource page",
    .options =
        (const struct cli_opt[]){
            { "--plural", "NAME", "of a resource, if it is not NAME + s: its module and its URL" },
            { "--currency", "CODE", "of its money fields; default EUR" },
            { 0 } },
    .help =
        "A resource is a module with a table, pages to list, show, add, change and delete, a JSON "
        "API\n"
        "with keyset paging, and tests that are green at once. Every row belongs to who made it.\n"
        "\n"
        "Types: text int bool money ts date uuid, and ref to another resource; \":optional\" "
        "behind a\n"
        "type lets it be absent. Nothing that exists is overwritten.\n"
        "\n"
        "  pando generate resource product name:text price:money sold_at:ts:optional\n"
        "  pando generate resource order product:ref amount:int gift:bool\n"
        "  pando generate resource person name:text --plural people_known\n"
        "  pando generate resource visit buyer:ref:customers day:date\n"
        "  pando generate module reports          /reports, with a page and a test (a plain one in "
        "an\n"
        "                                         app without the modules people and site)\n"
        "  pando generate page about              /about, in module site\n"
        "  pando generate page notes/archive      /notes/archive, in module notes\n",
    .run = run,
};
