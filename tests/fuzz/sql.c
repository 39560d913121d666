/* sql.c - a queries.sql through the lexer, the reader of annotations, the fragments and their
 * variants, SQLite and the analysis: what is refused is said, what is accepted has each of its
 * parts.
 *
 * The input is the file of one module; migrations make its two tables. With the first byte '!', the
 * input is a migration instead.
 */
#include "fuzz.h"
#include "gen/sql.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char migration[] =
    "create table shop_customer (\n  id id,\n  name text not null,\n  email text not null unique,\n"
    "  born date,\n  vip bool not null default 0\n);\n"
    "create table shop_order (\n  id id,\n  customer_id ref(shop_customer) not null,\n"
    "  total money not null,\n  placed ts not null,\n  note text\n);\n"
    "create index shop_order_customer on shop_order (customer_id, id);\n";

static const char query[] = "-- name: x :one\nselect id, name from shop_customer where id = :id;\n";

static char dir[] = "/tmp/pando-fuzz-XXXXXX";

static void put(const char *name, pd_str text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/modules/shop/%s", dir, name);
    FILE *f = fopen(path, "wb");
    pd_assert(f && fwrite(text.ptr, 1, text.len, f) == text.len && fclose(f) == 0);
}

static void make_app(void)
{
    static bool made;
    char path[128];
    if (made)
        return;
    made = true;
    pd_assert(mkdtemp(dir));
    static const char *const folders[] = { "/modules", "/modules/shop",
                                           "/modules/shop/migrations" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", dir, folders[i]);
        pd_assert(mkdir(path, 0700) == 0);
    }
}

static unsigned said;

static void hear(void *arg, pd_str text)
{
    (void)arg;
    said += pd_str_find_str(text, PD_STR("error PD-SQL-")) != PD_NPOS;
}

static void statement_holds(const struct sql_stmt *st)
{
    pd_assert(sql_is_name(st->name) && st->nvariants > 0 && st->nvariants <= SQL_VARIANTS_MAX);
    pd_assert(st->nparams <= SQL_PARAMS_MAX && st->nresults <= SQL_COLUMNS_MAX);
    for (uint32_t i = 0; i < st->nparams; i++)
        pd_assert(st->params[i].is_flag || st->params[i].type != SQL_UNKNOWN);
    for (uint32_t i = 0; i < st->nresults; i++)
        pd_assert(st->results[i].type != SQL_UNKNOWN && sql_is_name(st->results[i].name));
    for (uint32_t v = 0; v < st->nvariants; v++)
        pd_assert(st->variants[v].sql.len && st->variants[v].nparams <= SQL_PARAMS_MAX);
}

static void holds(struct sql *s)
{
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (const struct sql_stmt *st = m->stmts; st; st = st->next)
            statement_holds(st);
        pd_assert(sql_emit_header(s, m).len && sql_emit_source(s, m).len);
    }
    pd_assert(sql_lock_text(s).len);
}

/* Runs gen over what is in the folder. */
static void look(void)
{
    struct gen g;
    gen_init(&g);
    g.report = hear;
    said = 0;
    pd_assert(gen_scan(&g, pd_str_c(dir)) == PD_OK);
    gen_sql_read(&g);
    pd_assert(said == g.errors);
    if (g.errors == 0)
        holds(g.sql);
    gen_fini(&g);
}

/* The tables and a statement of them are right: what follows is about the input. */
static void prove_schema(void)
{
    static bool proved;
    if (proved)
        return;
    proved = true;
    put("migrations/0001_shop.sql", pd_str_c(migration));
    put("queries.sql", pd_str_c(query));
    look();
    pd_assert(said == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    pd_str text = fuzz_text(data, n);
    bool schema = n && data[0] == '!';
    make_app();
    prove_schema();
    put("migrations/0001_shop.sql", schema ? pd_str_sub(text, 1, n) : pd_str_c(migration));
    put("queries.sql", schema ? PD_STR("") : text);
    look();
    return 0;
}
