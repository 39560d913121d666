/* contract.c - which contract migrations were applied, so that a program that is too old for the
 * schema finds it out.
 *
 * The history (migrate.c) has the names of migrations that an older program does not know, but not
 * what they do. So the last contract migration of each module is in a table of its own, by its
 * number in the module: programs that know fewer than that are too old. The table is made with its
 * first row; a database without it has had none.
 */
#include "data/driver.h"
#include "data/own.h"

static const struct pd_migration create = {
    .name = "pando_contract",
    .sqlite = "create table if not exists pando_contract ("
              " module text primary key,"
              " name text not null,"
              " number integer not null) strict, without rowid",
    .postgres = "create table if not exists pando_contract ("
                " module text primary key,"
                " name text not null,"
                " number bigint not null);"
                "grant select on pando_contract to public", /* whoever connects has to read it */
};

struct contract {
    struct pd_row pd;
    pd_str name;
    int64_t number;
};
struct note_params {
    pd_str module, name;
    int64_t number;
};
static const struct pd_column module_param[] = { { .name = "module", .type = PD_T_STR } };
static const struct pd_column contract_columns[] = {
    PD_COLUMN(struct contract, name, PD_T_STR),
    PD_COLUMN(struct contract, number, PD_T_I64),
};
static const struct pd_column note_columns[] = {
    PD_COLUMN(struct note_params, module, PD_T_STR),
    PD_COLUMN(struct note_params, name, PD_T_STR),
    PD_COLUMN(struct note_params, number, PD_T_I64),
};
static const char *const table[] = { "pando_contract", NULL };

PD_OWN_STMT(look_stmt, "pando.contract", .flags = PD_S_READONLY, PD_TAKES(module_param),
            PD_GIVES(struct contract, contract_columns), .reads = table,
            .sql_sqlite = "select name, number from pando_contract where module = ?1",
            .sql_postgres = "select name, number from pando_contract where module = $1");
PD_OWN_STMT(
    note_stmt, "pando.contract_note", PD_TAKES(note_columns), .writes = table,
    .sql_sqlite =
        "insert into pando_contract (module, name, number) values (?1, ?2, ?3) "
        "on conflict (module) do update set name = excluded.name, number = excluded.number",
    .sql_postgres =
        "insert into pando_contract (module, name, number) values ($1, $2, $3) "
        "on conflict (module) do update set name = excluded.name, number = excluded.number");

pd_err pd_contract_note(struct pd_ctx *c, const struct pd_sql_module *m, uint32_t number)
{
    struct note_params row = { pd_str_c(m->name), pd_str_c(m->migrations[number - 1].name),
                               number };
    PD_TRY(c->db->driver->script(c->session, &create));
    pd_stmt_exec(c, &note_stmt, &row, PD_SITE);
    return c->failed;
}

static pd_err judge(const struct pd_sql_module *m, pd_str name, int64_t number)
{
    if (number <= m->nmigrations)
        return PD_OK;
    return pd_hint(pd_fail(PD_EUNSUPPORTED,
                           "this program is too old for the database: migration %.*s of module %s "
                           "has removed what programs use that do not know it",
                           PD_ARG(name), m->name),
                   "run the program that belongs to the database");
}

pd_err pd_contract_judge(const struct pd_sql_module *const *modules, unsigned n, pd_str module,
                         pd_str name, int64_t number)
{
    for (unsigned i = 0; i < n; i++)
        if (pd_str_eq(module, pd_str_c(modules[i]->name)))
            return judge(modules[i], name, number);
    return PD_OK;
}

pd_err pd_contract_look(struct pd_ctx *c, const struct pd_sql_module *m)
{
    pd_str name = pd_str_c(m->name);
    const struct contract *last = pd_stmt_one(c, &look_stmt, &name, PD_SITE);
    PD_TRY(c->failed);
    return last ? judge(m, last->name, last->number) : PD_OK;
}
