/* A program of several versions: VERSION says how many of its migrations it knows. For
 * tests/system/test_contract.py, which runs two of them on one database.
 *
 * Version 2 reads a column that migration 3 removes, and version 4 needs a table. */
#include <pando/pando.h>

#include <stdlib.h>

static const struct pd_migration all[] = {
    { .name = "0001_thing",
      .sqlite = "create table things_thing (id integer primary key, s text) strict",
      .postgres = "create table things_thing (id bigint primary key, s text)",
      .checksum = 1 },
    { .name = "0002_label",
      .sqlite = "alter table things_thing add column label text",
      .postgres = "alter table things_thing add column label text",
      .checksum = 2 },
    { .name = "0003_without_s",
      .sqlite = "alter table things_thing drop column s",
      .postgres = "alter table things_thing drop column s",
      .checksum = 3,
      .contract = true },
    { .name = "0004_other",
      .sqlite = "create table things_other (id integer primary key) strict",
      .postgres = "create table things_other (id bigint primary key)",
      .checksum = 4 },
};
enum { NALL = sizeof all / sizeof *all };

struct count {
    struct pd_row pd;
    int64_t n;
};
static const struct pd_column count_columns[] = {
    { .name = "n", .type = PD_T_I64, .offset = offsetof(struct count, n) },
};
#define COUNT(of) "select count(" of ") from things_thing"
#define STMT(var, sql)                                                                             \
    static const struct pd_stmt var = { .name = "things." #var,                                    \
                                        .file = __FILE__,                                          \
                                        .line = __LINE__,                                          \
                                        .flags = PD_S_READONLY,                                    \
                                        .sql_sqlite = sql,                                         \
                                        .sql_postgres = sql,                                       \
                                        .ncolumns = 1,                                             \
                                        .row_size = sizeof(struct count),                          \
                                        .columns = count_columns }
STMT(count_s, COUNT("s"));
STMT(count_label, COUNT("label"));

static unsigned version(void)
{
    int64_t n = 0;
    if (!pd_str_to_i64(pd_str_c(getenv("VERSION")), &n) || n < 1 || n > NALL)
        exit(64);
    return (unsigned)n;
}

static pd_status show_count(struct pd_ctx *c)
{
    struct count *n = pd_stmt_one(c, version() < 3 ? &count_s : &count_label, NULL, PD_SITE);
    if (!n)
        return pd_not_found(c);
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_fmt(c->arena, "%lld", (long long)n->n));
}
static const struct pd_route routes[] = { { PD_GET_, "/count", show_count } };

int main(int argc, char **argv)
{
    const struct pd_sql_module sql = { "things", all, version(), NULL, 0 };
    const struct pd_module things = {
        .name = "things", .sql = &sql, .routes = routes, .nroutes = 1
    };
    const struct pd_module *const modules[] = { &things };
    const struct pd_app app = {
        .name = "versions", .version = "1", .modules = modules, .nmodules = 1
    };
    return pd_app_main(&app, argc, argv);
}
