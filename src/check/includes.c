/* includes.c - a module sees of another one its public header, and only if module.conf says so.
 *
 * Public are <m>.h and shapes.h (the values <m>.h speaks in), and of what gen writes <m>_shapes.h
 * (how those values are read and written). <m>_sql.h is public to a module that has an xref column
 * to one of m's tables: its rows come by that relation. The includes are read from the author's
 * text, so that one that is skipped (an include guard, #if) counts, too.
 */
#include "check/check.h"

#include "gen/shapes.h"

enum { DIRS_MAX = 64 };

struct scan {
    struct check *k;
    pd_str dirs[DIRS_MAX]; /* -I, real paths */
    size_t ndirs;
    struct gen_xref_fact *xrefs;
    size_t nxrefs;
    struct pd_map parts;         /* files read because they were included */
    struct check_module *module; /* of the file being read; NULL: the app's own */
    pd_str path, shown;
};

static void read_part(struct scan *s, pd_str path);

/* --- finding the file ------------------------------------------------------------------------ */

static void add_dirs(struct scan *s, const struct check_unit *u)
{
    for (char **a = u->argv; *a && s->ndirs < DIRS_MAX; a++) {
        if (strncmp(*a, "-I", 2) != 0 && strcmp(*a, "-iquote") != 0)
            continue;
        const char *dir = (*a)[1] == 'I' && (*a)[2] ? *a + 2 : a[1];
        if (dir)
            s->dirs[s->ndirs++] = check_real(s->k, u->dir, pd_str_c(dir));
    }
}

static pd_str folder_of(pd_str path)
{
    size_t n = path.len;
    while (n && path.ptr[n - 1] != '/')
        n--;
    return pd_str_sub(path, 0, n ? n - 1 : 0);
}

/* The file an include means; null if it is not found here (a system header). */
static pd_str included(struct scan *s, pd_str name, bool quoted)
{
    struct pd_arena *a = &s->k->arena;
    pd_str at = pd_str_fmt(a, "%.*s/%.*s", PD_ARG(folder_of(s->path)), PD_ARG(name));
    if (quoted && gen_exists(&s->k->gen, at))
        return check_real(s->k, PD_STR_NULL, at);
    for (size_t i = 0; i < s->ndirs; i++) {
        at = pd_str_fmt(a, "%.*s/%.*s", PD_ARG(s->dirs[i]), PD_ARG(name));
        if (gen_exists(&s->k->gen, at))
            return check_real(s->k, PD_STR_NULL, at);
    }
    return PD_STR_NULL;
}

/* --- judging it ------------------------------------------------------------------------------ */

static bool has_xref(const struct scan *s, const struct check_module *to)
{
    for (size_t i = 0; i < s->nxrefs; i++) {
        if (s->module && pd_str_eq(s->xrefs[i].from, s->module->name) &&
            pd_str_eq(s->xrefs[i].to, to->name))
            return true;
    }
    return false;
}

static void private_header(struct scan *s, struct check_module *to, pd_str name, int line)
{
    check_find(s->k, "PD-CHECK-050", s->shown, line, name,
               pd_str_fmt(&s->k->arena,
                          "include \"%.*s/%.*s.h\"; what is missing there has to become a public "
                          "function of %.*s",
                          PD_ARG(to->name), PD_ARG(to->name), PD_ARG(to->name)),
               "\"%.*s\" is private to module %.*s", PD_ARG(name), PD_ARG(to->name));
}

static void generated_header(struct scan *s, struct check_module *to, pd_str name, int line)
{
    check_find(s->k, "PD-CHECK-051", s->shown, line, name,
               pd_str_fmt(&s->k->arena,
                          "call public functions of %.*s; for reading and writing its structs "
                          "include \"%.*s_shapes.h\"",
                          PD_ARG(to->name), PD_ARG(to->name)),
               "\"%.*s\" has the statements and rows of module %.*s, which are its own",
               PD_ARG(name), PD_ARG(to->name));
}

static void judge(struct scan *s, pd_str name, pd_str path, int line)
{
    pd_str part, base = pd_str_sub(path, folder_of(path).len + 1, path.len);
    struct check_module *to = check_module_of(s->k, path);
    if (!to || to == s->module)
        return;
    if (check_generated_of(s->k, path, &part)) {
        bool allowed = pd_str_eq(part, PD_STR("shapes")) ||
                       (pd_str_eq(part, PD_STR("sql")) && has_xref(s, to));
        if (!allowed)
            generated_header(s, to, name, line);
    } else if (!pd_str_eq(base, PD_STR("shapes.h")) &&
               !pd_str_eq(base, pd_str_fmt(&s->k->arena, "%.*s.h", PD_ARG(to->name)))) {
        private_header(s, to, name, line);
    }
    if (s->module)
        check_depend(s->k, s->module, to, s->shown, line);
}

static void computed(struct scan *s, int line)
{
    check_find(s->k, "PD-CHECK-057", s->shown, line, PD_STR("include"),
               PD_STR("write the header's name itself"),
               "an include through a macro hides what the module depends on");
}

/* What stands behind `include`, up to the end of the line. */
static void judge_directive(struct scan *s, pd_str text, pd_str word, int line)
{
    size_t from = (size_t)(word.ptr - text.ptr) + word.len;
    pd_str rest = pd_str_sub(text, from, text.len);
    size_t end = pd_str_find(rest, '\n');
    rest = pd_str_trim(pd_str_sub(rest, 0, end == PD_NPOS ? rest.len : end));
    char close = rest.len && rest.ptr[0] == '"' ? '"' : rest.len && rest.ptr[0] == '<' ? '>' : 0;
    if (!close) {
        computed(s, line);
        return;
    }
    pd_str name = pd_str_sub(rest, 1, rest.len);
    end = pd_str_find(name, close);
    name = pd_str_sub(name, 0, end == PD_NPOS ? name.len : end);
    pd_str path = included(s, name, close == '"');
    if (!path.ptr)
        return;
    judge(s, name, path, line);
    read_part(s, path);
}

/* --- the app's files ------------------------------------------------------------------------- */

static void read_file(struct scan *s)
{
    pd_str text;
    if (gen_read(&s->k->gen, s->path, &text) != PD_OK)
        return;
    struct shape_lexer l = { .text = text, .line = 1 };
    for (struct shape_token t; (t = shape_next(&l)).kind != SHAPE_EOF;) {
        if (t.kind == SHAPE_DIRECTIVE &&
            (pd_str_eq(t.text, PD_STR("include")) || pd_str_eq(t.text, PD_STR("include_next")) ||
             pd_str_eq(t.text, PD_STR("import"))))
            judge_directive(s, text, t.text, t.line);
    }
}

/* A file of another name is a source if it is included: "colors.list". */
static void read_part(struct scan *s, pd_str path)
{
    pd_str shown, outer_path = s->path, outer_shown = s->shown;
    struct check_module *outer_module = s->module;
    if (check_is_source(path) || pd_map_find(&s->parts, path) || !check_shown(s->k, path, &shown))
        return;
    pd_map_put(&s->parts, path, s);
    s->path = path;
    s->shown = shown;
    s->module = check_module_of(s->k, path);
    read_file(s);
    s->path = outer_path;
    s->shown = outer_shown;
    s->module = outer_module;
}

static void read_source(void *arg, pd_str path, pd_str shown)
{
    struct scan *s = arg;
    s->path = path;
    s->shown = shown;
    s->module = check_module_of(s->k, path);
    read_file(s);
}

void check_includes(struct check *k)
{
    struct scan *s = pd_arena_new(&k->arena, struct scan);
    s->k = k;
    pd_map_init(&s->parts, &k->arena, PD_MAP_STR);
    s->xrefs = gen_facts_xrefs(&k->gen, &s->nxrefs);
    for (struct check_unit *u = k->units; u && !s->ndirs; u = u->next) {
        if (!u->generated)
            add_dirs(s, u);
    }
    check_sources(k, read_source, s);
    for (size_t i = 0; i < s->nxrefs; i++) {
        struct check_module *from = check_module_find(k, s->xrefs[i].from);
        struct check_module *to = check_module_find(k, s->xrefs[i].to);
        if (from && to)
            check_use(from, to);
    }
}
