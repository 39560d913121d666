/* listed.c - modules that stand in a folder and in no list: their pages would be a silent 404.
 *
 * Read from the sources alone, so that `pando routes` and `pando dev` can ask without an object: a
 * module is what a source defines as `const struct pd_module NAME =`. It is in the app if any other
 * place says NAME, or if a source beside modules/ says the folder's name by itself (a macro may
 * make the rest: MODULE(books)).
 */
#include "check/check.h"

#include "gen/shapes.h"

struct definition {
    struct check_module *module;
    pd_str symbol, shown;
    int line;
    bool listed;
    struct definition *next;
};
struct look {
    struct check *k;
    struct definition *all, **end;
    struct pd_map said; /* words that are no declaration; of the app's own files or of a module */
    struct pd_map said_beside;
};

static bool is_word(const struct shape_token *t, const char *text)
{
    return t->kind == SHAPE_WORD && pd_str_eq(t->text, pd_str_c(text));
}

static void define(struct look *l, struct check_module *m, pd_str symbol, pd_str shown, int line)
{
    struct definition *d = pd_arena_new(&l->k->arena, struct definition);
    *d = (struct definition){ .module = m, .symbol = symbol, .shown = shown, .line = line };
    *l->end = d;
    l->end = &d->next;
}

static void read_source(void *arg, pd_str path, pd_str shown)
{
    struct look *l = arg;
    struct check_module *m = check_module_of(l->k, path);
    pd_str text;
    if (gen_read(&l->k->gen, path, &text) != PD_OK)
        return;
    struct shape_lexer lexer = { .text = text, .line = 1 };
    struct shape_token t = shape_next(&lexer), next;
    for (bool declared = false; t.kind != SHAPE_EOF; t = next) {
        next = shape_next(&lexer);
        bool defined = next.kind == SHAPE_PUNCT && pd_str_eq(next.text, PD_STR("="));
        if (declared && m && t.kind == SHAPE_WORD && defined)
            define(l, m, t.text, shown, t.line);
        if (!declared && t.kind == SHAPE_WORD)
            pd_map_put(m ? &l->said : &l->said_beside, t.text, l);
        declared = is_word(&t, "pd_module");
    }
}

unsigned check_unlisted(struct check *k, void (*tell)(void *arg, const struct check_unlisted *u),
                        void *arg)
{
    struct look l = { .k = k };
    unsigned n = 0;
    l.end = &l.all;
    pd_map_init(&l.said, &k->arena, PD_MAP_STR);
    pd_map_init(&l.said_beside, &k->arena, PD_MAP_STR);
    check_sources(k, read_source, &l);
    for (struct definition *d = l.all; d; d = d->next) {
        if (pd_map_find(&l.said, d->symbol) || pd_map_find(&l.said_beside, d->symbol) ||
            pd_map_find(&l.said_beside, d->module->name))
            continue;
        struct check_unlisted u = {
            .code = "PD-CHECK-058", .module = d->module->name, .file = d->shown, .line = d->line
        };
        u.message = pd_str_fmt(&k->arena,
                               "module %.*s is not in the app: nothing names %.*s, so its routes "
                               "answer 404",
                               PD_ARG(u.module), PD_ARG(d->symbol));
        u.remedy = pd_str_fmt(&k->arena,
                              "add &%.*s to the app's list of modules (MODULES in app.c), with "
                              "#include \"%.*s/%.*s.h\"",
                              PD_ARG(d->symbol), PD_ARG(u.module), PD_ARG(u.module));
        tell(arg, &u);
        n++;
    }
    return n;
}

static void report(void *arg, const struct check_unlisted *u)
{
    check_find(arg, u->code, u->file, u->line, u->module, u->remedy, "%.*s", PD_ARG(u->message));
}

void check_listed(struct check *k)
{
    check_unlisted(k, report, k);
}
