/* blocking.c - calls that hold the loop or change the process, in code that a request can reach.
 *
 * The evidence is the object: it refers to a symbol of blocking.def. Where the reference stands (a
 * function, or a table of functions) is looked up among the author's functions; it counts if a
 * request may reach that (graph.c), and if it is not known. The same function used by a command
 * only is fine: a command has its process to itself.
 */
#include "check/check.h"

enum kind { WAITS, WORKS, KEEPS };
struct blocking {
    const char *name;
    enum kind kind;
    const char *remedy;
};

static const struct blocking TABLE[] = {
#define BLOCKING(name, kind, remedy) { name, kind, remedy },
#include "check/blocking.def"
#undef BLOCKING
};

/* glibc's other names of the same: __read_chk, __isoc99_fscanf, fopen64, _IO_getc. */
static pd_str plain(pd_str symbol)
{
    static const char *const BEFORE[] = { "__isoc99_", "__isoc23_", "_IO_", "__libc_", "__" };
    static const char *const BEHIND[] = { "_chk", "_2", "64", "_unlocked" };
    for (size_t i = 0; i < sizeof BEFORE / sizeof *BEFORE; i++) {
        if (pd_str_starts(symbol, pd_str_c(BEFORE[i])))
            symbol = pd_str_sub(symbol, strlen(BEFORE[i]), symbol.len);
    }
    for (size_t i = 0; i < sizeof BEHIND / sizeof *BEHIND; i++) {
        if (pd_str_ends(symbol, pd_str_c(BEHIND[i])))
            symbol = pd_str_sub(symbol, 0, symbol.len - strlen(BEHIND[i]));
    }
    return symbol;
}

static const struct blocking *find(pd_str symbol)
{
    pd_str name = plain(symbol);
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        if (pd_str_eq(pd_str_c(TABLE[i].name), symbol) || pd_str_eq(pd_str_c(TABLE[i].name), name))
            return &TABLE[i];
    }
    return NULL;
}

static const struct {
    const char *code, *what, *why, *exempt;
} KINDS[] = {
    [WAITS] = { "PD-CHECK-030", "a request waits in", "which holds all others", "blocking ok" },
    [WORKS] = { "PD-CHECK-031", "a request works long in", "which holds all others",
                "blocking ok" },
    [KEEPS] = { "PD-CHECK-014", "server-side state:", "which the whole process keeps", "state ok" },
};

/* Compilers print a constant text with fwrite, puts and putchar: say what was written. */
static void report(struct check *k, const struct check_reference *ref, const struct blocking *b,
                   const struct check_node *n)
{
    pd_str way = n ? check_way(k, n) : ref->from;
    check_find(k, KINDS[b->kind].code, ref->file, ref->line,
               pd_str_fmt(&k->arena, "%.*s.%s", PD_ARG(ref->from), b->name),
               pd_str_fmt(&k->arena, "%s; or, if it is right here: /* %s: reason */", b->remedy,
                          KINDS[b->kind].exempt),
               "%s %s(), %s: %.*s", KINDS[b->kind].what, b->name, KINDS[b->kind].why,
               PD_ARG(way.len ? way : PD_STR("in a place of its own")));
}

static void look(struct check *k, struct check_unit *u, const struct check_reference *ref)
{
    const struct blocking *b = find(ref->symbol);
    pd_str shown = ref->file;
    if (!b || pd_map_get(&k->globals, ref->symbol))
        return; /* harmless, or a function of the app that has the same name */
    const struct check_node *n = ref->from.len ? pd_map_get(&u->names, ref->from) : NULL;
    if ((n && !n->in_request) || !shown.len)
        return;
    if (!check_exempt(k, shown, ref->line, KINDS[b->kind].exempt))
        report(k, ref, b, n);
}

void check_blocking(struct check *k)
{
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_reference *r = u->generated ? NULL : u->obj->references; r; r = r->next)
            look(k, u, r);
    }
}
