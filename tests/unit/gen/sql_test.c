/* sql_test.c - what the SQL compiler refuses, and in which words; what it accepts, and that the C
 * it writes compiles; that a column it calls "not null" never is.
 *
 * The wrong statements are in sql_wrong.txt, with what is said about each. When a wording changes
 * on purpose, GOLDEN_OUT=file makes the test write the file as it should be: read the difference,
 * then put it in the place of the old one.
 */
#include "gen_app.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- wrong statements ---------------------------------------------------------------------- */

struct wrong {
    pd_str title, queries, migration, says, text; /* text: title and sections before "says" */
};

static pd_str take_line(pd_str *rest)
{
    size_t n = pd_str_find(*rest, '\n');
    n = n == PD_NPOS ? rest->len : n + 1;
    pd_str line = pd_str_sub(*rest, 0, n);
    *rest = pd_str_sub(*rest, n, rest->len);
    return line;
}

static pd_str trim_end(pd_str s)
{
    while (s.len > 1 && s.ptr[s.len - 1] == '\n' && s.ptr[s.len - 2] == '\n')
        s.len--;
    return s.len == 1 && s.ptr[0] == '\n' ? PD_STR("") : s;
}

/* The next case of the file; false at its end. */
static bool next_wrong(pd_str *rest, struct wrong *w)
{
    *w = (struct wrong){ 0 };
    while (rest->len && !pd_str_starts(*rest, PD_STR("### ")))
        take_line(rest);
    if (!rest->len)
        return false;
    pd_str *section = NULL;
    w->text = *rest;
    w->title = pd_str_trim(pd_str_sub(take_line(rest), 4, 200));
    while (rest->len && !pd_str_starts(*rest, PD_STR("### "))) {
        pd_str line = take_line(rest);
        pd_str *begun = pd_str_eq(line, PD_STR("--- queries\n"))     ? &w->queries
                        : pd_str_eq(line, PD_STR("--- migration\n")) ? &w->migration
                        : pd_str_eq(line, PD_STR("--- says\n"))      ? &w->says
                                                                     : NULL;
        if (begun) {
            section = begun;
            *section = pd_str_n(line.ptr + line.len, 0);
        } else if (section) {
            section->len += line.len;
        }
    }
    const char *end = pd_str_is_null(w->says) ? rest->ptr : w->says.ptr - strlen("--- says\n");
    w->text.len = (size_t)(end - w->text.ptr);
    w->queries = trim_end(w->queries);
    w->migration = trim_end(w->migration);
    w->says = trim_end(w->says);
    return true;
}

static void judge(struct app *a, const struct wrong *w)
{
    app_open(a);
    app_write(a, "modules/shop/queries.sql", w->queries);
    if (w->migration.len)
        app_write(a, "modules/shop/migrations/0003_more.sql", w->migration);
    app_run(a);
}

static bool is_warned_only(pd_str said)
{
    return pd_str_find_str(said, PD_STR(": error ")) == PD_NPOS;
}

static void wrong_statements_are_refused_in_these_words(void **state)
{
    struct app files, a;
    struct wrong w;
    unsigned cases = 0, bad = 0;
    (void)state;
    app_open(&files);
    pd_str rest = source_file(&files, "sql_wrong.txt");
    FILE *golden = getenv("GOLDEN_OUT") ? fopen(getenv("GOLDEN_OUT"), "w") : NULL;
    size_t head = pd_str_find_str(rest, PD_STR("### "));
    if (golden)
        fprintf(golden, "%.*s", (int)head, rest.ptr);
    for (; next_wrong(&rest, &w); cases++) {
        judge(&a, &w);
        pd_str said = pd_buf_str(&a.said), text = trim_end(w.text);
        if (golden)
            fprintf(golden, "%.*s--- says\n%.*s\n", PD_ARG(text), PD_ARG(said));
        bool same = pd_str_eq(said, w.says) && said.len > 0;
        if (!same)
            print_error("%.*s: gen says\n%.*sinstead of\n%.*s\n", PD_ARG(w.title), PD_ARG(said),
                        PD_ARG(w.says));
        bool remedied = pd_str_find_str(said, PD_STR("  remedy: ")) != PD_NPOS;
        bad += !same || !remedied || (a.g.errors == 0) != is_warned_only(said);
        app_close(&a);
    }
    if (golden)
        fclose(golden);
    app_close(&files);
    assert_true(cases >= 60);
    assert_int_equal(bad, 0);
}

/* --- right statements ---------------------------------------------------------------------- */

static void right_statements_are_accepted_without_a_word(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    if (a.said.len)
        print_error("%.*s", PD_ARG(pd_buf_str(&a.said)));
    assert_int_equal(a.g.errors, 0);
    assert_int_equal(a.said.len, 0);
    app_close(&a);
}

/* Its index is used by nobody else; and an author may know better. */
static void triggers_that_find_or_may_read_are_accepted_without_a_word(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_write(&a, "modules/shop/migrations/0003_more.sql",
              PD_STR("create table shop_told (id id, at ts not null, note text not null);\n"
                     "create index shop_told_by_note on shop_told (note);\n"
                     "-- sqlite:\n"
                     "create trigger shop_order_finds after update on shop_order begin\n"
                     "    delete from shop_told where note = old.note;\n"
                     "    update shop_order set note = '' where id = new.id and note is null;\n"
                     "end;\n"
                     "-- sqlite:\n"
                     "-- scan ok: orders are hardly ever deleted\n"
                     "create trigger shop_order_reads after delete on shop_order begin\n"
                     "    delete from shop_told where at < old.at;\n"
                     "end;\n"));
    app_run(&a);
    if (a.said.len)
        print_error("%.*s", PD_ARG(pd_buf_str(&a.said)));
    assert_int_equal(a.said.len, 0);
    app_close(&a);
}

/* As some editors save it: the same statements, and the same checksum of a migration. */
static void a_byte_order_mark_and_line_ends_of_dos_change_nothing(void **state)
{
    static const char *const files[] = { "modules/shop/queries.sql",
                                         "modules/shop/migrations/0001_shop.sql" };
    struct app a, b;
    (void)state;
    app_open(&a);
    app_open(&b);
    app_run(&a);
    for (size_t i = 0; i < 2; i++) {
        struct pd_buf dos;
        pd_str rest = app_read(&b, files[i]), line;
        pd_buf_init(&dos, &b.arena, 1 << 20);
        pd_buf_put(&dos, PD_STR("\xef\xbb\xbf"));
        while (pd_str_split(&rest, '\n', &line))
            pd_buf_fmt(&dos, "%.*s\r\n", PD_ARG(line));
        app_write(&b, files[i], pd_str_sub(pd_buf_str(&dos), 0, dos.len - (rest.len ? 0 : 2)));
    }
    app_run(&b);
    assert_int_equal(b.g.errors, 0);
    assert_true(pd_str_eq(sql_lock_text(a.g.sql), sql_lock_text(b.g.sql)));
    app_close(&a);
    app_close(&b);
}

/* SQLite reads up to a NUL byte; what stands behind it would be dropped without a word. */
static void sql_that_is_no_text_is_refused(void **state)
{
    static const char nul[] =
        "-- name: x :one\nselect id from shop_customer where id = :id \0or 1;\n";
    pd_str wrong[] = { pd_str_n(nul, sizeof(nul) - 1),
                       PD_STR("-- name: x :one\nselect 'caf\xe9' as x;\n") };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct app a;
        app_open(&a);
        app_write(&a, "modules/shop/queries.sql", wrong[i]);
        app_run(&a);
        assert_int_equal(a.g.errors, 1);
        pd_str said = pd_buf_str(&a.said);
        assert_true(pd_str_starts(said, PD_STR("modules/shop/queries.sql: error PD-SQL-001: ")));
        assert_true(pd_str_find_str(said, PD_STR("is not UTF-8 text")) != PD_NPOS);
        app_close(&a);
    }
}

static void a_migrations_name_is_plain(void **state)
{
    static const char *const wrong[] = { "0003_a\"b.sql", "0003_a b.sql", "003_a.sql", "0003-a.sql",
                                         "0003_a.txt" };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct app a;
        app_open(&a);
        app_write(
            &a, pd_str_cstr(&a.arena, pd_str_fmt(&a.arena, "modules/shop/migrations/%s", wrong[i])),
            PD_STR("create table shop_more (id id, n int);"));
        app_run(&a);
        assert_int_equal(a.g.errors, 1);
        assert_true(pd_str_find_str(pd_buf_str(&a.said), PD_STR("PD-SQL-001")) != PD_NPOS);
        app_close(&a);
    }
}

static int compile(struct app *a, const char *source, bool quietly)
{
    const char *argv[] = { "cc",
                           "-std=gnu17",
                           "-D_GNU_SOURCE",
                           "-fsyntax-only",
                           "-Wall",
                           "-Wextra",
                           "-Wconversion",
                           "-Wno-sign-conversion",
                           "-Wshadow",
                           "-Wvla",
                           "-Wmissing-prototypes",
                           "-Wstrict-prototypes",
                           "-Wformat=2",
                           "-Wundef",
                           "-Wno-missing-field-initializers",
                           "-Werror",
                           "-I",
                           INCLUDE_DIR,
                           "-I",
                           NULL,
                           "-x",
                           "c",
                           NULL,
                           NULL };
    argv[19] = pd_str_cstr(&a->arena, pd_str_fmt(&a->arena, "%s/out", a->dir));
    argv[22] = pd_str_cstr(&a->arena, pd_str_fmt(&a->arena, "%s/%s", a->dir, source));
    return run_program(argv, quietly);
}

static void what_is_written_compiles_without_a_warning(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    app_emit(&a);
    assert_int_equal(compile(&a, "out/shop_sql.c", false), 0);
    assert_int_equal(compile(&a, "out/crew_sql.c", false), 0);
    app_write(&a, "use.c", source_file(&a, "sql_use.c"));
    assert_int_equal(compile(&a, "use.c", false), 0);
    app_close(&a);
}

static void a_misspelt_argument_does_not_compile(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    app_emit(&a);
    const char *wrong =
        "#include \"shop_sql.h\"\n"
        "int f(struct pd_ctx *c);\n"
        "int f(struct pd_ctx *c) { return (int)shop_orders(c, .stat = PD_STR(\"\")).n; }\n";
    app_write(&a, "use.c", pd_str_c(wrong));
    assert_int_not_equal(compile(&a, "use.c", true), 0);
    app_close(&a);
}

static void the_same_sources_give_the_same_lock_file(void **state)
{
    struct app a, b;
    (void)state;
    app_open(&a);
    app_run(&a);
    app_emit(&a);
    app_open(&b);
    app_run(&b);
    app_emit(&b);
    assert_true(app_read(&a, "pando.lock").len > 0);
    assert_true(pd_str_eq(app_read(&a, "pando.lock"), app_read(&b, "pando.lock")));
    app_close(&a);
    app_close(&b);
}

static void nothing_is_written_when_anything_is_wrong(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_write(&a, "modules/shop/queries.sql",
              PD_STR("-- name: x :one\nselect nope from shop_label;\n"));
    app_run(&a);
    assert_int_equal(a.g.errors, 1);
    assert_true(pd_str_is_null(app_read(&a, "out/shop_sql.c")));
    assert_true(pd_str_is_null(app_read(&a, "pando.lock")));
    app_close(&a);
}

static void a_page_and_a_statement_do_not_share_a_function(void **state)
{
    static const char *const names[] = { "page_write", "page_render" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct app a;
        app_open(&a);
        app_write(&a, "modules/shop/queries.sql",
                  pd_str_fmt(&a.arena,
                             "-- name: %s :exec\nupdate shop_customer set vip = true where id = "
                             ":id;\n",
                             names[i]));
        app_write(&a, "modules/shop/templates/page.html", PD_STR("hello\n"));
        app_run(&a);
        assert_int_equal(a.g.errors, 0);
        gen_views_read(&a.g);
        assert_int_equal(a.g.errors, 1);
        pd_str said = pd_buf_str(&a.said);
        assert_true(pd_str_find_str(said, PD_STR("page.html: error PD-VIEW-006: its function "
                                                 "shop_page_")) != PD_NPOS);
        app_close(&a);
    }
}

static void pages_of_two_modules_do_not_share_a_function(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_write(&a, "modules/shop/templates/cart_page.html", PD_STR("hello\n"));
    app_write(&a, "modules/shop_cart/templates/page.html", PD_STR("hello\n"));
    app_run(&a);
    gen_views_read(&a.g);
    assert_int_equal(a.g.errors, 1);
    pd_str said = pd_buf_str(&a.said);
    assert_true(pd_str_find_str(said, PD_STR("modules/shop_cart/templates/page.html: error "
                                             "PD-VIEW-006: its functions have the names")) !=
                PD_NPOS);
    app_close(&a);
}

/* --- single facts -------------------------------------------------------------------------- */

static struct sql_module *module(struct app *a, const char *name)
{
    struct sql_module *m = a->g.sql->modules;
    while (m && !pd_str_eq(m->name, pd_str_c(name)))
        m = m->next;
    assert_non_null(m);
    return m;
}

static struct sql_stmt *statement(struct app *a, const char *name)
{
    struct sql_stmt *st = sql_stmt_find(module(a, "shop"), pd_str_c(name));
    assert_non_null(st);
    return st;
}

static void a_statement_that_finds_one_row_by_a_unique_key_is_keyed(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    assert_true(statement(&a, "customer_by_id")->keyed);
    assert_true(statement(&a, "customer_get")->keyed);
    assert_true(statement(&a, "line_get")->keyed);          /* both columns of its key */
    assert_true(statement(&a, "order_with_parent")->keyed); /* one row, joined by a key */
    assert_false(statement(&a, "customer_names")->keyed);   /* a list of keys is many rows */
    assert_false(statement(&a, "lines_of")->keyed);         /* one of two columns */
    assert_false(statement(&a, "totals")->keyed);
    assert_false(statement(&a, "customer_rename")->keyed);        /* does not read */
    assert_true(statement(&a, "customer_greeted_or_not")->keyed); /* the key is one */
    app_close(&a);
}

/* What finds a row by plain comparisons can stay open; what else is computed could not be told
 * from what was computed for the key before. */
static void a_keyed_statement_of_names_and_values_may_rest(void **state)
{
    static const struct {
        const char *title, *sql, *keys; /* NULL: it may not */
    } cases[] = {
        { "one key", "select * from shop_currency where id = :id",
          "select id, code, digits from pd_keys cross join shop_currency where id = "
          "+pd_keys.k1" },
        { "a text, an alias, a name in quotes",
          "select c.code as \"order\" from shop_currency as c where c.code = :code",
          "select c.code as \"order\" from pd_keys cross join shop_currency as c where c.code "
          "= +pd_keys.k1" },
        { "two keys, and a value",
          "select price from shop_line where price > 0 and position = :p and order_id = :o",
          "select price from pd_keys cross join shop_line where price > 0 and position = "
          "+pd_keys.k1 and order_id = +pd_keys.k2" },
        { "a join",
          "select o.total, c.name from shop_order o join shop_customer c on c.id = "
          "o.customer_id where o.id = :id and c.email = :email",
          "select o.total, c.name from pd_keys cross join shop_order o join shop_customer c on "
          "c.id = o.customer_id where o.id = +pd_keys.k1 and c.email = +pd_keys.k2" },
        { "a key twice",
          "select b.name as \"name?\" from shop_customer a left join shop_customer b on b.id = "
          "a.seller_id where a.id = :id and a.name = :name and a.email = :name",
          "select b.name as name from pd_keys cross join shop_customer a left join "
          "shop_customer b on b.id = a.seller_id where a.id = +pd_keys.k1 and a.name = "
          "+pd_keys.k2 and a.email = +pd_keys.k2" },
        { "a function", "select lower(code) as code from shop_currency where id = :id", NULL },
        { "a subquery",
          "select id, (select name from shop_label where name = 'a') as \"a?\" from "
          "shop_currency "
          "where id = :id",
          NULL },
        { "a key among the results", "select :id as x from shop_currency where id = :id", NULL },
        { "a key that is computed", "select code from shop_currency where id = :id + 0", NULL },
        { "a key on the left", "select code from shop_currency where :id = id", NULL },
        { "a range", "select code from shop_currency where id = :id and digits > :digits", NULL },
        { "a limit", "select code from shop_currency where id = :id limit 1", NULL },
        { "the clock", "select current_timestamp as \"at!\" from shop_currency where id = :id",
          NULL },
        { "no key", "select code from shop_currency where id = 1", NULL },
        { "five keys",
          "select code from shop_currency where id = :a and digits = :b and digits = :e and "
          "digits = :f and digits = :g",
          NULL },
        { "several rows", "select name from shop_customer where name = :name", NULL },
        { "a piece of it",
          "select code from shop_currency where id = :id\n-- ?digits and digits = :digits\n",
          NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct app a;
        app_open(&a);
        app_write(
            &a, "modules/shop/queries.sql",
            pd_str_fmt(&a.arena, "-- name: it :one\n-- scan ok: a test\n%s;\n", cases[i].sql));
        app_run(&a);
        pd_str keys = statement(&a, "it")->variants[0].keys;
        pd_str want = cases[i].keys ? pd_str_c(cases[i].keys) : PD_STR_NULL;
        if (a.g.errors || !pd_str_eq(keys, want))
            fail_msg("%s: %.*s%.*s", cases[i].title, PD_ARG(pd_buf_str(&a.said)), PD_ARG(keys));
        app_close(&a);
    }
}

static void a_statement_that_finds_what_belongs_to_a_key_says_which_key(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    assert_true(statement(&a, "open_orders")->children);
    assert_true(statement(&a, "totals")->children); /* adds them up */
    assert_true(statement(&a, "lines_of")->children);
    assert_true(statement(&a, "order_list_by_customer_id")->children);
    assert_false(statement(&a, "customer_names")->children);  /* many keys at once */
    assert_false(statement(&a, "customers_after")->children); /* no key */
    assert_false(statement(&a, "customer_rename")->children); /* does not read */
    assert_false(statement(&a, "open_orders")->pages);
    assert_true(statement(&a, "orders_of")->pages);
    struct sql_stmt *st = statement(&a, "orders");
    assert_true(sql_param_find(st, PD_STR("customer_id"))->key);
    assert_false(sql_param_find(st, PD_STR("state"))->key);
    assert_false(sql_param_find(st, PD_STR("limit"))->key);
    app_close(&a);
}

/* As far as there is an index that finds them, and within the module. */
static void a_row_leads_to_the_rows_that_point_to_it(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    app_emit(&a);
    pd_str out = app_read(&a, "out/shop_sql.c");
    assert_true(pd_str_find_str(
                    out, PD_STR("struct shop_order_list shop_customer_order_list_at(")) != PD_NPOS);
    assert_true(pd_str_find_str(
                    out, PD_STR("struct shop_order_list shop_order_order_list_by_parent_at(")) !=
                PD_NPOS);
    struct sql_stmt *st = statement(&a, "order_list_of_customer");
    assert_true(st->loader && !st->keyed);
    assert_true(pd_str_find_str(st->variants->plan, PD_STR("SEARCH i USING")) != PD_NPOS);
    assert_true(pd_str_find_str(st->variants->plan, PD_STR("SCAN e")) == PD_NPOS);
    assert_non_null(sql_stmt_find(module(&a, "shop"), PD_STR("customer_list_of_seller")));
    assert_true(pd_str_find_str(app_read(&a, "out/crew_sql.c"), PD_STR("customer_list")) ==
                PD_NPOS);
    app_close(&a);
}

static void only_statements_that_do_not_write_are_readonly(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    assert_true(statement(&a, "ancestors")->readonly);
    assert_false(statement(&a, "order_pay")->readonly);
    assert_false(statement(&a, "line_put")->readonly);
    assert_int_equal(statement(&a, "line_put")->nwrites, 1);
    assert_true(pd_str_eq(statement(&a, "line_put")->writes[0]->name, PD_STR("shop_line")));
    app_close(&a);
}

static void every_combination_of_fragments_and_orders_is_a_variant(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    struct sql_stmt *st = statement(&a, "orders");
    assert_int_equal(st->nvariants, 8 * 2);
    for (uint32_t i = 0; i < st->nvariants; i++) {
        struct sql_variant *v = &st->variants[i];
        bool has_state = pd_str_find_str(v->sql, PD_STR("state = ?")) != PD_NPOS;
        assert_int_equal(has_state, v->mask & 1);
        assert_int_equal(v->nparams, 2 + (v->mask & 1) + (v->mask >> 1 & 1));
        for (uint32_t j = 0; j < i; j++)
            assert_false(pd_str_eq(v->sql, st->variants[j].sql));
    }
    app_close(&a);
}

static void assert_batch(struct app *a, const char *name, const char *text)
{
    pd_str batch = statement(a, name)->batch;
    if (!pd_str_eq(batch, pd_str_c(text)))
        fail_msg("%.*s", PD_ARG(batch));
}

static void a_batched_statement_has_another_one_for_many_keys(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    assert_batch(
        &a, "customer_greeted",
        "select pd_row.*, pd_key.\"#\" from unnest((select $1::bigint[])) with ordinality as "
        "pd_key(id, \"#\"), lateral (select name, seen_at from shop_customer c where "
        "c.name <> '' and c.id = pd_key.id offset 0) as pd_row");
    assert_batch(&a, "line_at",
                 "select pd_row.*, pd_key.\"#\" from unnest((select $1::bigint[]), (select "
                 "$2::bigint[])) with "
                 "ordinality as pd_key(\"order\", position, \"#\"), lateral (select what, price "
                 "from shop_line where order_id = pd_key.\"order\" and position = pd_key.position "
                 "offset 0) as pd_row");
    assert_batch(
        &a, "label_color",
        "select pd_row.*, pd_key.\"#\" from unnest((select $1::text[])) with ordinality as "
        "pd_key(name, \"#\"), lateral (select color from shop_label where name = "
        "pd_key.name offset 0) as pd_row");
    assert_null(statement(&a, "customer_by_id")->batch.ptr);
    app_close(&a);
}

static bool pins(struct app *a, const char *name, const char *param)
{
    struct sql_param *p = sql_param_find(statement(a, name), pd_str_c(param));
    assert_non_null(p);
    return p->pins;
}

static void a_batched_write_has_another_one_for_many_rows(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    assert_batch(&a, "label_add",
                 "insert into shop_label (name, color) select pd_key.\"#1\", "
                 "coalesce(pd_key.\"#2\", 'red') from unnest((select $1::text[]), (select "
                 "$2::text[])) with ordinality as pd_key(\"#1\", \"#2\", \"#\") order by "
                 "pd_key.\"#\"");
    assert_batch(&a, "label_paint",
                 "update shop_label as l set color = pd_key.\"#1\" from unnest((select "
                 "$1::text[]), (select $2::text[])) as pd_key(\"#1\", \"#2\") where l.name = "
                 "any (array[pd_key.\"#2\"]) and color is distinct from pd_key.\"#1\"");
    assert_batch(&a, "rule_move",
                 "update shop_rule set (\"order\", \"check\") = (pd_key.\"#1\", false), "
                 "\"group\" = \"group\" + pd_key.\"#2\" from unnest((select $1::bigint[]), "
                 "(select $2::bigint[]), (select $3::bigint[])) as pd_key(\"#1\", \"#2\", "
                 "\"#3\") where id = any (array[pd_key.\"#3\"])");
    assert_batch(&a, "currency_drop",
                 "delete from shop_currency using unnest((select $1::text[]), (select "
                 "$2::bigint[])) as pd_key(\"#1\", \"#2\") where code = any "
                 "(array[pd_key.\"#1\"]) and digits between 0 and pd_key.\"#2\"");
    assert_true(pins(&a, "label_paint", "name") && !pins(&a, "label_paint", "color"));
    assert_true(pins(&a, "rule_move", "rule") && !pins(&a, "rule_move", "by"));
    assert_true(pins(&a, "currency_drop", "code") && !pins(&a, "currency_drop", "digits"));
    assert_false(pins(&a, "label_add", "name"));
    app_close(&a);
}

/* Each engine's text has its own fragments and orders, of the same names. */
static void the_text_for_another_engine_adds_nothing(void **state)
{
    static const char sqlite[] =
        "-- sqlite:\nselect id from shop_order where customer_id = :customer_id\n"
        "-- ?state and state = :state\n"
        "-- order: newest(at desc, id desc)\n;\n";
    static const char postgres[] =
        "-- postgres:\nselect id from shop_order where customer_id = :customer_id\n"
        "-- ?state and state ilike :state\n"
        "-- order: newest(at desc nulls last)\n;\n";
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct app a;
        app_open(&a);
        app_write(&a, "modules/shop/queries.sql",
                  pd_str_fmt(&a.arena, "-- name: both :many\n%s%s", first ? postgres : sqlite,
                             first ? sqlite : postgres));
        app_run(&a);
        if (a.g.errors)
            print_error("%.*s", PD_ARG(pd_buf_str(&a.said)));
        assert_int_equal(a.g.errors, 0);
        struct sql_stmt *st = statement(&a, "both");
        assert_int_equal(st->nvariants, 2);
        assert_true(pd_str_eq(st->variants[1].sql,
                              PD_STR("select id from shop_order where customer_id = ?1 and state = "
                                     "?2 order by at desc, id desc")));
        assert_true(pd_str_eq(st->variants[1].postgres,
                              PD_STR("select id from shop_order where customer_id = $1 and state "
                                     "ilike $2 order by at desc nulls last")));
        app_close(&a);
    }
}

static void a_whole_row_has_the_tables_struct_and_any_other_its_own(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    assert_true(statement(&a, "orders")->row == statement(&a, "order_get")->row);
    assert_true(statement(&a, "open_orders")->row != statement(&a, "order_get")->row);
    assert_non_null(gen_struct_find(&a.g, PD_STR("shop_open_orders_row")));
    struct gen_struct *row = gen_struct_find(&a.g, PD_STR("shop_order"));
    assert_non_null(row);
    assert_true(row->is_row);
    assert_int_equal(gen_struct_field(row, PD_STR("discount"))->type, PD_T_OPT);
    assert_int_equal(gen_struct_field(row, PD_STR("discount"))->as, PD_T_MONEY);
    app_close(&a);
}

static void relations_follow_refs_of_any_row_also_into_other_modules(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    struct sql_relation *own = statement(&a, "open_orders")->row->relations;
    assert_non_null(own);
    assert_true(pd_str_eq(own->function, PD_STR("shop_open_orders_row_customer")));
    struct sql_relation *r = statement(&a, "customer_get")->row->relations;
    assert_true(pd_str_eq(r->function, PD_STR("shop_customer_seller")));
    assert_true(pd_str_eq(r->of->name, PD_STR("crew_person")));
    assert_true(r->key_nullable);
    app_close(&a);
}

static void the_lock_file_is_compared_with_the_sources(void **state)
{
    struct app a;
    (void)state;
    app_open(&a);
    app_run(&a);
    app_emit(&a);
    gen_lock_check(&a.g);
    assert_int_equal(a.g.errors, 0);
    app_write(&a, "pando.lock", PD_STR("# old\n"));
    gen_lock_check(&a.g);
    assert_int_equal(a.g.errors, 1);
    assert_true(pd_str_starts(pd_buf_str(&a.said), PD_STR("pando.lock:1: error PD-SQL-050:")));
    app_close(&a);
}

/* --- nulls --------------------------------------------------------------------------------- */

static void run_sql(sqlite3 *db, struct app *a, pd_str sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, pd_str_cstr(&a->arena, sql), NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s in %.*s", error, PD_ARG(sql));
}

static void migrate(sqlite3 *db, struct app *a)
{
    for (struct sql_module *m = a->g.sql->modules; m; m = m->next) {
        for (struct sql_migration *g = m->migrations; g; g = g->next)
            run_sql(db, a, g->sqlite);
    }
}

/* Runs a variant with every parameter bound to `value` and looks for a null that must not be. */
static unsigned look_for_nulls(sqlite3 *db, const struct sql_stmt *st, const struct sql_variant *v,
                               int value)
{
    sqlite3_stmt *q = NULL;
    unsigned rows = 0;
    assert_int_equal(sqlite3_prepare_v2(db, v->sql.ptr, (int)v->sql.len, &q, NULL), SQLITE_OK);
    for (uint32_t i = 0; i < v->nparams; i++) {
        const struct sql_param *p = &st->params[v->params[i]];
        if (p->list)
            sqlite3_bind_text(q, (int)i + 1, "[1,2,3]", -1, SQLITE_STATIC);
        else if (pd_str_eq(p->name, PD_STR("limit")))
            sqlite3_bind_int(q, (int)i + 1, 100);
        else
            sqlite3_bind_int(q, (int)i + 1, value);
    }
    for (; sqlite3_step(q) == SQLITE_ROW; rows++) {
        for (uint32_t i = 0; i < st->nresults; i++) {
            bool null = sqlite3_column_type(q, (int)i) == SQLITE_NULL;
            if (null && !st->results[i].nullable)
                fail_msg("%.*s: %.*s is null but said not to be", PD_ARG(st->name),
                         PD_ARG(st->results[i].name));
        }
    }
    sqlite3_finalize(q);
    return rows;
}

static void a_column_that_is_proven_not_null_never_is(void **state)
{
    struct app a;
    sqlite3 *db;
    unsigned rows = 0;
    (void)state;
    app_open(&a);
    app_write(&a, "modules/shop/queries.sql", source_file(&a, "sql_nulls.sql"));
    app_run(&a);
    if (a.g.errors)
        print_error("%.*s", PD_ARG(pd_buf_str(&a.said)));
    assert_int_equal(a.g.errors, 0);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    migrate(db, &a);
    run_sql(db, &a, source_file(&a, "sql_nulls_rows.sql"));
    for (struct sql_stmt *st = module(&a, "shop")->stmts; st; st = st->next) {
        for (uint32_t i = 0; st->readonly && !st->generated && i < st->nvariants; i++) {
            for (int value = 0; value < 4; value++)
                rows += look_for_nulls(db, st, &st->variants[i], value);
        }
    }
    assert_true(rows > 100);
    sqlite3_close(db);
    app_close(&a);
}

/* --- mangled sources ----------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static pd_str random_word(uint64_t *random)
{
    static const char *const words[] = { "(",
                                         ")",
                                         ",",
                                         ";",
                                         "select",
                                         "from",
                                         "id",
                                         ":p",
                                         ".",
                                         "*",
                                         "--",
                                         "'",
                                         "with",
                                         "case",
                                         "not null",
                                         "\xff\x01",
                                         "ref(",
                                         "join",
                                         "group",
                                         "order",
                                         "\n-- ?",
                                         "over",
                                         ":ids[]",
                                         "as",
                                         "limit",
                                         "in",
                                         "values",
                                         "create",
                                         "\n-- order: a(id)",
                                         "union",
                                         "table",
                                         "\n-- name: z :one\n" };
    return pd_str_c(words[next_random(random) % (sizeof(words) / sizeof(*words))]);
}

/* Puts words in, takes pieces out, cuts the end off. */
static pd_str mangle(struct app *a, pd_str text, uint64_t *random)
{
    struct pd_buf b;
    pd_buf_init(&b, &a->arena, 1 << 20);
    size_t places = 1 + next_random(random) % 4, at = 0;
    for (size_t i = 0; i < places; i++) {
        size_t to = at + next_random(random) % (text.len - at + 1);
        pd_buf_put(&b, pd_str_sub(text, at, to));
        at = to;
        if (next_random(random) % 2)
            pd_buf_fmt(&b, " %.*s ", PD_ARG(random_word(random)));
        size_t skip = next_random(random) % 12;
        at = at + skip < text.len ? at + skip : text.len;
    }
    if (next_random(random) % 4)
        pd_buf_put(&b, pd_str_sub(text, at, text.len));
    return pd_buf_str(&b);
}

/* Whatever is in the files, gen says what is wrong and goes on; sanitizers watch. */
static void mangled_sources_never_trip_gen(void **state)
{
    static const char *const files[] = { "modules/shop/queries.sql",
                                         "modules/shop/migrations/0001_shop.sql",
                                         "modules/shop/migrations/0002_rename.sql" };
    const char *given = getenv("TEST_SEED"), *rounds = getenv("TEST_ROUNDS");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL), random = seed | 1;
    unsigned refused = 0, n = rounds ? (unsigned)strtoul(rounds, NULL, 10) : 150;
    (void)state;
    print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < n; i++) {
        struct app a;
        app_open(&a);
        const char *file = files[next_random(&random) % 3];
        app_write(&a, file, mangle(&a, app_read(&a, file), &random));
        app_run(&a);
        refused += a.g.errors > 0;
        assert_true(a.g.errors == 0 || a.said.len > 0);
        app_close(&a);
    }
    assert_true(refused > n / 4);
}

/* --- time ---------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A figure, not a limit: how long depends on the machine. The aim is well under a second. */
static void two_hundred_statements(void **state)
{
    struct app a;
    struct pd_buf b;
    (void)state;
    app_open(&a);
    pd_buf_init(&b, &a.arena, 1 << 20);
    for (int i = 0; i < 200; i++)
        pd_buf_fmt(
            &b,
            "-- name: s%d :many\nselect o.id, o.total, c.name, l.what from shop_order o join "
            "shop_customer c on c.id = o.customer_id left join shop_line l on l.order_id = o.id "
            "where o.customer_id = :customer_id and o.at > :since and o.total > %d\n"
            "-- ?state and o.state = :state\norder by o.at desc, o.id desc limit :limit;\n",
            i, i);
    app_write(&a, "modules/shop/queries.sql", pd_buf_str(&b));
    double start = seconds();
    app_run(&a);
    app_emit(&a);
    print_message("200 statements, 400 variants: %.3f s\n", seconds() - start);
    assert_int_equal(a.g.errors, 0);
    assert_true(module(&a, "shop")->nstmts >= 200);
    app_close(&a);
}

/* --- the list of errors -------------------------------------------------------------------- */

static void every_code_that_is_said_is_listed(void **state)
{
    static const char *const listed[] = {
#define GEN_ERROR(code, meaning) code,
#include "gen/errors.def"
#undef GEN_ERROR
    };
    struct app a;
    (void)state;
    app_open(&a);
    pd_str rest = source_file(&a, "sql_wrong.txt");
    size_t at;
    while ((at = pd_str_find_str(rest, PD_STR("PD-SQL-"))) != PD_NPOS) {
        pd_str code = pd_str_sub(rest, at, at + 10);
        bool found = false;
        for (size_t i = 0; i < sizeof(listed) / sizeof(*listed); i++)
            found |= pd_str_eq(code, pd_str_c(listed[i]));
        if (!found)
            fail_msg("%.*s is not in errors.def", PD_ARG(code));
        rest = pd_str_sub(rest, at + 10, rest.len);
    }
    app_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_statements_are_refused_in_these_words),
        cmocka_unit_test(right_statements_are_accepted_without_a_word),
        cmocka_unit_test(triggers_that_find_or_may_read_are_accepted_without_a_word),
        cmocka_unit_test(a_byte_order_mark_and_line_ends_of_dos_change_nothing),
        cmocka_unit_test(sql_that_is_no_text_is_refused),
        cmocka_unit_test(a_migrations_name_is_plain),
        cmocka_unit_test(what_is_written_compiles_without_a_warning),
        cmocka_unit_test(a_misspelt_argument_does_not_compile),
        cmocka_unit_test(the_same_sources_give_the_same_lock_file),
        cmocka_unit_test(nothing_is_written_when_anything_is_wrong),
        cmocka_unit_test(a_page_and_a_statement_do_not_share_a_function),
        cmocka_unit_test(pages_of_two_modules_do_not_share_a_function),
        cmocka_unit_test(a_statement_that_finds_one_row_by_a_unique_key_is_keyed),
        cmocka_unit_test(a_keyed_statement_of_names_and_values_may_rest),
        cmocka_unit_test(a_statement_that_finds_what_belongs_to_a_key_says_which_key),
        cmocka_unit_test(a_row_leads_to_the_rows_that_point_to_it),
        cmocka_unit_test(only_statements_that_do_not_write_are_readonly),
        cmocka_unit_test(every_combination_of_fragments_and_orders_is_a_variant),
        cmocka_unit_test(a_batched_statement_has_another_one_for_many_keys),
        cmocka_unit_test(a_batched_write_has_another_one_for_many_rows),
        cmocka_unit_test(the_text_for_another_engine_adds_nothing),
        cmocka_unit_test(a_whole_row_has_the_tables_struct_and_any_other_its_own),
        cmocka_unit_test(relations_follow_refs_of_any_row_also_into_other_modules),
        cmocka_unit_test(the_lock_file_is_compared_with_the_sources),
        cmocka_unit_test(a_column_that_is_proven_not_null_never_is),
        cmocka_unit_test(mangled_sources_never_trip_gen),
        cmocka_unit_test(two_hundred_statements),
        cmocka_unit_test(every_code_that_is_said_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
