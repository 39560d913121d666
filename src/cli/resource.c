/* resource.c - names and fields as they are given on the command line. */
#include "cli/resource.h"
#include "cli/cli.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>

/* Words of C, and of pando's names for things. */
static const char *const C_WORDS[] = {
    "auto",     "bool",     "break", "case",   "char",     "const",  "continue", "default",
    "do",       "double",   "else",  "enum",   "extern",   "float",  "for",      "goto",
    "if",       "inline",   "int",   "long",   "main",     "pando",  "pd",       "register",
    "restrict", "return",   "short", "signed", "sizeof",   "static", "struct",   "switch",
    "typedef",  "unsigned", "union", "void",   "volatile", "while",  "assets", /* assets_gen.h is
                                                                                  made of assets/ */
};
/* What generated code calls its own variables: of statements (gen), of a resource and its tests. */
static const char *const LOCAL_NAMES[] = { "c", "site", "fn", "arg", "args", "row", "b", "t" };
/* Words of SQL that cannot name a column, and the columns that every resource has. */
static const char *const SQL_WORDS[] = {
    "add",    "all",    "and",    "as",         "begin",  "between", "by",         "check",
    "column", "commit", "create", "created_at", "delete", "desc",    "asc",        "distinct",
    "drop",   "end",    "exists", "foreign",    "from",   "group",   "having",     "id",
    "in",     "index",  "insert", "into",       "is",     "join",    "key",        "limit",
    "not",    "null",   "on",     "or",         "order",  "primary", "references", "select",
    "set",    "table",  "then",   "to",         "unique", "update",  "user_id",    "using",
    "values", "when",   "where",  "with",       "user",   "offset",  "like",       "default",
};

static bool is_among(pd_str name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pd_str_eq(name, pd_str_c(words[i])))
            return true;
    return false;
}

pd_err resource_check_name(pd_str name, const char *what)
{
    bool field = strcmp(what, "field") == 0;
    bool good = name.len && name.len <= RESOURCE_NAME_MAX && islower((unsigned char)name.ptr[0]);
    for (size_t i = 0; i < name.len; i++)
        good &= islower((unsigned char)name.ptr[i]) || isdigit((unsigned char)name.ptr[i]) ||
                name.ptr[i] == '_';
    if (!good)
        return pd_hint(pd_fail(PD_EINVAL, "\"%.*s\" cannot name a %s", PD_ARG(name), what),
                       "a small letter, then small letters, digits or _; at most %d",
                       RESOURCE_NAME_MAX);
    if (is_among(name, C_WORDS, sizeof C_WORDS / sizeof *C_WORDS) ||
        (field && is_among(name, LOCAL_NAMES, sizeof LOCAL_NAMES / sizeof *LOCAL_NAMES)) ||
        (field && is_among(name, SQL_WORDS, sizeof SQL_WORDS / sizeof *SQL_WORDS)))
        return pd_hint(pd_fail(PD_EINVAL, "\"%.*s\" cannot name a %s: %s has it already",
                               PD_ARG(name), what, field ? "C, SQL or every resource" : "C"),
                       "choose a longer name: my_%.*s", PD_ARG(name));
    return PD_OK;
}

pd_str resource_plural(struct pd_arena *a, pd_str name)
{
    static const char *const hiss[] = { "s", "x", "z", "ch", "sh" };
    char before = name.len > 1 ? name.ptr[name.len - 2] : 'a';
    if (pd_str_ends(name, PD_STR("y")) && !strchr("aeiou", before))
        return pd_str_fmt(a, "%.*sies", (int)name.len - 1, name.ptr);
    for (size_t i = 0; i < sizeof hiss / sizeof *hiss; i++)
        if (pd_str_ends(name, pd_str_c(hiss[i])))
            return pd_str_fmt(a, "%.*ses", PD_ARG(name));
    return pd_str_fmt(a, "%.*ss", PD_ARG(name));
}

pd_str resource_words(struct pd_arena *a, pd_str name, bool capital)
{
    char *text = pd_str_cstr(a, name);
    for (char *at = text; *at; at++)
        *at = *at == '_' ? ' ' : *at;
    if (capital)
        *text = (char)toupper((unsigned char)*text);
    return pd_str_c(text);
}

/* --- what a ref points to --------------------------------------------------------------------- */

/* The name behind "create table " at or after `from`; null if there is none. */
static pd_str table_in(pd_str sql, size_t *from)
{
    static const char head[] = "create table ";
    size_t at = pd_str_find_str(pd_str_sub(sql, *from, sql.len), PD_STR("create table "));
    if (at == PD_NPOS)
        return PD_STR_NULL;
    size_t begin = *from + at + sizeof head - 1, end = begin;
    while (end < sql.len && (isalnum((unsigned char)sql.ptr[end]) || sql.ptr[end] == '_'))
        end++;
    *from = end;
    return pd_str_sub(sql, begin, end);
}

/* The first column "name text not null" of the table whose definition begins at `from`. */
static pd_str text_column(pd_str sql, size_t from)
{
    pd_str rest = pd_str_sub(sql, from, sql.len), line;
    pd_str_split(&rest, '\n', &line);
    while (pd_str_split(&rest, '\n', &line)) {
        pd_str words = pd_str_trim(line), name;
        if (pd_str_starts(words, PD_STR(")")))
            break;
        pd_str_split(&words, ' ', &name);
        if (pd_str_starts(words, PD_STR("text not null")))
            return name;
    }
    return PD_STR_NULL;
}

/* Whether `wanted` means this table: its name, its module, or what is left without the module. */
static bool is_meant(pd_str wanted, pd_str module, pd_str table)
{
    return pd_str_eq(wanted, table) || pd_str_eq(wanted, module) ||
           pd_str_eq(wanted, pd_str_sub(table, module.len + 1, table.len));
}

/* Looks in one module: only a resource made by this command can be chosen in forms. */
static bool look_in_module(struct resource *r, pd_str module, pd_str wanted, struct field_ref *out)
{
    struct pd_arena *a = r->arena;
    pd_str sql, table;
    size_t from = 0;
    pd_str file = pd_str_fmt(a, "%.*s/modules/%.*s/migrations/0001_%.*s.sql", PD_ARG(r->app),
                             PD_ARG(module), PD_ARG(module));
    pd_str make = pd_str_fmt(a, "%.*s/tests/%.*s_make.h", PD_ARG(r->app), PD_ARG(module));
    if (!cli_exists(a, make) || cli_read(a, file, &sql) != PD_OK)
        return false;
    while (!pd_str_is_null(table = table_in(sql, &from))) {
        if (!pd_str_starts(table, module) || !is_meant(wanted, module, table))
            continue;
        *out = (struct field_ref){ .module = module,
                                   .table = table,
                                   .name = pd_str_sub(table, module.len + 1, table.len),
                                   .text = text_column(sql, from) };
        return true;
    }
    return false;
}

static pd_err find_ref(struct resource *r, pd_str wanted, struct field_ref *out)
{
    DIR *d = opendir(pd_str_fmt(r->arena, "%.*s/modules", PD_ARG(r->app)).ptr);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));)
        if (e->d_name[0] != '.')
            found = look_in_module(r, pd_str_dup(r->arena, pd_str_c(e->d_name)), wanted, out);
    if (d)
        closedir(d);
    if (found)
        return PD_OK;
    return pd_hint(
        pd_fail(PD_ENOTFOUND, "there is no resource \"%.*s\" to refer to", PD_ARG(wanted)),
        "make it first: pando generate resource %.*s name:text", PD_ARG(wanted));
}

/* --- fields ----------------------------------------------------------------------------------- */

static const char *const TYPES[] = { "text", "int", "bool", "money", "ts", "date", "uuid", "ref" };
enum { NTYPES = sizeof TYPES / sizeof *TYPES };

static pd_err find_type(struct resource *r, pd_str text, pd_str whole, enum field_type *out)
{
    static const char *const others[][2] = {
        { "string", "text" }, { "varchar", "text" },   { "integer", "int" },
        { "number", "int" },  { "boolean", "bool" },   { "decimal", "money" },
        { "float", "money" }, { "datetime", "ts" },    { "timestamp", "ts" },
        { "time", "ts" },     { "references", "ref" },
    };
    pd_str names[NTYPES];
    for (int i = 0; i < NTYPES; i++) {
        names[i] = pd_str_c(TYPES[i]);
        if (pd_str_eq(text, names[i])) {
            *out = (enum field_type)i;
            return PD_OK;
        }
    }
    pd_err e =
        pd_fail(PD_EINVAL, "\"%.*s\": there is no type \"%.*s\"", PD_ARG(whole), PD_ARG(text));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (pd_str_eq(text, pd_str_c(others[i][0])))
            return pd_hint(e, "it is called %s here", others[i][1]);
    return pd_hint(e, "%s",
                   cli_did_you_mean(r->arena, pd_str_cstr(r->arena, text), names, NTYPES,
                                    "types are text int bool money ts date uuid ref"));
}

/* "ref(products_product)" -> "ref:products_product": both are understood. */
static pd_str without_brackets(struct pd_arena *a, pd_str text)
{
    char *copy = pd_str_cstr(a, text), *to = copy;
    for (const char *at = copy; *at; at++)
        if (*at != ')')
            *to++ = *at == '(' ? ':' : *at;
    *to = 0;
    return pd_str_c(copy);
}

static pd_err set_ref(struct resource *r, struct field *f, pd_str target)
{
    PD_TRY(find_ref(r, target.len ? target : f->stem, &f->ref));
    f->name = pd_str_fmt(r->arena, "%.*s_id", PD_ARG(f->stem));
    return PD_OK;
}

static pd_err check_field(const struct resource *r, const struct field *f, pd_str text)
{
    for (unsigned i = 0; i < r->nfields; i++)
        if (pd_str_eq(r->fields[i].name, f->name))
            return pd_hint(pd_fail(PD_EINVAL, "field \"%.*s\" is given twice", PD_ARG(f->name)),
                           "remove one of them");
    if (f->optional && (f->type == FIELD_BOOL || f->type == FIELD_UUID))
        return pd_hint(
            pd_fail(PD_EINVAL, "\"%.*s\": a %s is always there", PD_ARG(text), TYPES[f->type]),
            "leave \":optional\" away");
    return PD_OK;
}

pd_err resource_add_field(struct resource *r, pd_str text)
{
    struct field f = { 0 };
    pd_str rest = text, type = PD_STR_NULL, part, target = PD_STR_NULL;
    if (r->nfields == RESOURCE_FIELDS_MAX)
        return pd_hint(
            pd_fail(PD_ETOOBIG, "a resource has at most %d fields", RESOURCE_FIELDS_MAX),
            "put what belongs together into a resource of its own, and refer to it: name:ref");
    pd_str_split(&rest, ':', &f.stem);
    rest = without_brackets(r->arena, rest);
    pd_str_split(&rest, ':', &type);
    f.name = f.stem;
    PD_TRY(resource_check_name(f.stem, "field"));
    if (!type.len)
        return pd_hint(pd_fail(PD_EINVAL, "\"%.*s\" has no type", PD_ARG(text)), "write %.*s:text",
                       PD_ARG(f.stem));
    PD_TRY(find_type(r, type, text, &f.type));
    while (rest.len && pd_str_split(&rest, ':', &part)) {
        bool last = pd_str_eq(part, PD_STR("optional"));
        f.optional |= last;
        if (!last && f.type == FIELD_REF && !target.len)
            target = part;
        else if (!last)
            return pd_hint(
                pd_fail(PD_EINVAL, "\"%.*s\": what is \"%.*s\"?", PD_ARG(text), PD_ARG(part)),
                "behind the type may stand :optional, and behind ref a resource");
    }
    if (f.type == FIELD_REF)
        PD_TRY(set_ref(r, &f, target));
    f.label = resource_words(r->arena, f.stem, true);
    PD_TRY(check_field(r, &f, text));
    r->fields[r->nfields++] = f;
    return PD_OK;
}
