/* sql.c - what gen says of the app's SQL: its errors, and indexes that nobody needs. */
#include "check/check.h"

/* "./modules/a/queries.sql" is "modules/a/queries.sql" to who stands in the app. */
static pd_str tidy(pd_str file)
{
    return pd_str_starts(file, PD_STR("./")) ? pd_str_sub(file, 2, file.len) : file;
}

/* "file:3:5: error PD-SQL-012: message\n  remedy: text\n" */
static void take(void *arg, pd_str text)
{
    struct check *k = arg;
    pd_str line, file, number, remedy = PD_STR_NULL;
    int64_t n = 0;
    size_t at = pd_str_find_str(text, PD_STR(": error PD-"));
    if (at == PD_NPOS)
        return; /* a warning: what is worse than that comes as a fact */
    pd_str_split(&text, '\n', &line);
    pd_str place = pd_str_sub(line, 0, at), rest = pd_str_sub(line, at + 8, line.len);
    pd_str_split(&place, ':', &file);
    if (pd_str_split(&place, ':', &number))
        pd_str_to_i64(number, &n);
    size_t colon = pd_str_find(rest, ':');
    if (pd_str_starts(text, PD_STR("  remedy: ")))
        remedy = pd_str_trim(pd_str_dup(&k->arena, pd_str_sub(text, 10, text.len)));
    const char *code = pd_str_cstr(&k->arena, pd_str_sub(rest, 0, colon));
    pd_str message = pd_str_trim(pd_str_dup(&k->arena, pd_str_sub(rest, colon + 1, rest.len)));
    check_find(k, code, tidy(pd_str_dup(&k->arena, file)), (int)n, message, remedy, "%.*s",
               PD_ARG(message));
}

/* Reads the app's SQL, structs and templates, as the build did. */
pd_err check_gen(struct check *k)
{
    k->gen.report = take;
    k->gen.report_arg = k;
    pd_err e =
        gen_look(&k->gen, &(struct gen_opts){ .app = k->opts.app, .postgres = k->opts.postgres });
    return k->gen.errors ? PD_OK : e;
}

void check_statements(struct check *k)
{
    size_t n;
    struct gen_stmt_fact *facts = gen_facts_stmts(&k->gen, &n);
    for (size_t i = 0; i < n; i++) {
        facts[i].file = tidy(facts[i].file);
        pd_map_put(&k->statements, pd_str_fmt(&k->arena, "%.*s_at", PD_ARG(facts[i].function)),
                   &facts[i]);
    }
}

void check_sql(struct check *k)
{
    size_t n;
    struct gen_index_fact *facts = gen_facts_needless_indexes(&k->gen, &n);
    for (size_t i = 0; i < n; i++) {
        if (facts[i].longer.len)
            check_find(k, "PD-CHECK-041", tidy(facts[i].file), facts[i].line, facts[i].name,
                       pd_str_fmt(&k->arena,
                                  "drop index %.*s; in a new migration; if it stays: -- unused ok: "
                                  "reason",
                                  PD_ARG(facts[i].name)),
                       "index \"%.*s\" is what \"%.*s\" begins with: every write pays for both",
                       PD_ARG(facts[i].name), PD_ARG(facts[i].longer));
        else
            check_find(
                k, "PD-CHECK-040", tidy(facts[i].file), facts[i].line, facts[i].name,
                pd_str_fmt(&k->arena,
                           "drop index %.*s; in a new migration, or write the statement it is "
                           "for; if it stays: -- unused ok: reason",
                           PD_ARG(facts[i].name)),
                "no statement uses index \"%.*s\" of \"%.*s\": every write pays for it",
                PD_ARG(facts[i].name), PD_ARG(facts[i].table));
    }
}
