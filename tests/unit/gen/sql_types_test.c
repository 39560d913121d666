/* sql_types_test.c - the type and nullability that gen finds for expressions, in one line each. */
#include "gen_app.h"

static const struct known {
    const char *expression, *type; /* as the lock file says it; '?': may be null; NULL: refused */
} known[] = {
    { "total", "money" },
    { "discount", "money?" },
    { "total + 1", "money" },
    { "1 + total", "money" },
    { "at - at", "int" },
    { "at + 1", "ts" },
    { "total * 2", "money" },
    { "(total > 1) * total", "money" },
    { "total * (total > 1)", "money" },
    { "(total > 1) + (total > 2)", "int" },
    { "1 + (total > 1)", "int" },
    { "(total > 1) + 1", "int" },
    { "total + at", NULL }, /* of two meanings, none */
    { "at - id", NULL },
    { "at / 2", "int" },
    { "total / 2", "money" },
    { "total % 7", "money" },
    { "(total / nullif(total, 0)) is null", "bool" },
    { "coalesce(total / total, 0)", "int" },
    { "total % 0x1f", "money" },
    { "-total", "money" },
    { "-(total = 1)", "int" },
    { "~(total = 1)", "int" },
    { "not total = 1", "bool" },
    { "12", "int" },
    { "0x1e", "int" },
    { "null is null", "bool" },
    { "total is distinct from discount", "bool" },
    { "state || 'x'", "text" },
    { "coalesce(discount, null, 0)", "money" },
    { "coalesce(discount, total)", "money" },
    { "case when total = 1 then total = 2 else 7 end", "int" },
    { "coalesce(7, total = 1)", "int" },
    { "coalesce(total = 1, false)", "bool" },
    { "ifnull(discount, 7)", "money" },
    { "case when total = 1 then total else 0 end", "money" },
    { "case total when 1 then 'a' else 'b' end", "text" },
    { "max(total, 0)", "money" },
    { "min(1, total, 2)", "money" },
    { "abs(total)", "money" },
    { "length(state)", "int" },
    { "substr(state, 1, 2)", "text" },
    { "substr(x'0102', 1, 1)", "blob" },
    { "substring(x'0102', 1, 1)", "blob" },
    { "hex(note)", "text" },
    { "count(*) over ()", "int" },
    { "sum(total) over (order by id)", "money" },
    { "row_number() over (order by id)", "int" },
    { "(select count(*) from shop_line)", "int" },
    { "(select count(*) filter (where price > 1) from shop_line)", "int" },
    { "(select coalesce(sum(price), 0) from shop_line)", "money" },
    { "(select coalesce(sum(price > 1), 0) from shop_line)", "int" },
    { "exists (select 1 from shop_line)", "bool" },
    { "id in (1, 2)", "bool" },
    { "cast(total as text)", "text" },
    { "cast(state as integer)", "int" },
    { "true", "bool" },
    { "json_object('a', total)", "json" },
    { "(select max(state) from shop_spent, shop_owing)", NULL }, /* of the view: may have no row */
    { "(select coalesce(max(n), 0) from shop_spent)", "int" },
    { "(select coalesce(max(total), 0) from shop_spent)", "money" },
    { "(select coalesce(max(state), '') from shop_owing)", "text" },
    { "(select coalesce(max(what), 0) from shop_mixed)", NULL }, /* text or money */
};

/* What the lock file says of the only column of `select EXPRESSION as v from shop_order`. */
static pd_str type_of(struct app *a, const char *expression)
{
    app_open(a);
    app_write(a, "modules/shop/queries.sql",
              pd_str_fmt(&a->arena,
                         "-- name: probe :many\n-- scan ok: a test\n"
                         "select %s as v from shop_order;\n",
                         expression));
    app_run(a);
    if (a->g.errors)
        return PD_STR_NULL;
    pd_str text = sql_lock_text(a->g.sql);
    size_t line = pd_str_find_str(text, PD_STR("shop.probe ")), from, to;
    text = pd_str_sub(text, line, text.len);
    from = pd_str_find_str(text, PD_STR("-> (v: ")) + 7;
    text = pd_str_sub(text, from, text.len);
    to = pd_str_find(text, ')');
    return pd_str_sub(text, 0, to);
}

static void an_expression_has_the_type_that_its_parts_give_it(void **state)
{
    unsigned bad = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        struct app a;
        pd_str type = type_of(&a, known[i].expression);
        const char *wanted = known[i].type ? known[i].type : "refused";
        if (a.g.errors)
            type = known[i].type ? pd_buf_str(&a.said) : PD_STR("refused");
        if (!pd_str_eq(type, pd_str_c(wanted))) {
            print_error("%s is %s, and not %.*s\n", known[i].expression, wanted, PD_ARG(type));
            bad++;
        }
        app_close(&a);
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_has_the_type_that_its_parts_give_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
