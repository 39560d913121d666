/* conf.c - module.conf: which modules a module uses.
 *
 *     uses = ledger identity
 */
#include "check/check.h"

#include <ini.h>

struct reading {
    struct check *k;
    struct check_module *m;
    int line;
};

static void wrong(struct reading *r, pd_str subject, pd_str remedy, const char *what)
{
    check_find(r->k, "PD-CHECK-003", r->m->conf, r->line, subject, remedy, "%s \"%.*s\"", what,
               PD_ARG(subject));
}

#define ONE_SETTING PD_STR("module.conf has one setting: uses = module module …")

static void add_use(struct reading *r, pd_str name)
{
    struct check_module *of = check_module_find(r->k, name);
    if (!of || of == r->m) {
        wrong(r, name,
              PD_STR("name the modules in modules/, separated by spaces, without this one"),
              of ? "a module does not use itself:" : "there is no module");
        return;
    }
    struct check_use *u = pd_arena_new(&r->k->arena, struct check_use);
    *u = (struct check_use){ .of = of, .line = r->line, .next = r->m->uses };
    r->m->uses = u;
}

static int take(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *r = arg;
    pd_str rest = pd_str_dup(&r->k->arena, pd_str_c(value)), word;
    (void)section;
    if (strcmp(name, "uses") != 0) {
        wrong(r, pd_str_dup(&r->k->arena, pd_str_c(name)), ONE_SETTING, "unknown setting");
        return 1;
    }
    while (pd_str_split(&rest, ' ', &word)) {
        word = pd_str_trim(word);
        if (word.len)
            add_use(r, word);
    }
    return 1;
}

/* inih does not tell the handler the line: each is given to it alone. It tells nobody of sections
 * that are empty, as all are then. */
static void read_lines(struct reading *r, pd_str text)
{
    pd_str line;
    while (pd_str_split(&text, '\n', &line)) {
        r->line++;
        if (pd_str_starts(pd_str_trim(line), PD_STR("[")))
            wrong(r, pd_str_trim(line), ONE_SETTING, "there are no sections here:");
        else if (ini_parse_string(pd_str_cstr(&r->k->arena, line), take, r) != 0)
            wrong(r, pd_str_trim(line), PD_STR("write uses = module module …"), "cannot read");
    }
}

void check_conf_read(struct check *k)
{
    for (struct check_module *m = k->modules; m; m = m->next) {
        pd_str text, path = pd_str_fmt(&k->arena, "%.*s/module.conf", PD_ARG(m->dir));
        struct reading r = { .k = k, .m = m };
        if (gen_exists(&k->gen, path) && gen_read(&k->gen, path, &text) == PD_OK)
            read_lines(&r, text);
    }
}
