/* The index lint against realistic schemas: a shop, an issue tracker, a clinic, FinFlow.
 *
 * lint/<schema>/right.sql holds statements that are right: whatever is said of one is a false
 * alarm. lint/<schema>/wrong.txt holds mistakes, one at a time put beside the right statements,
 * with what has to be found. Where an index is asked for, it is made, and the same statements are
 * looked at again: the finding must be gone. The totals are printed; the acceptance is 95 % found
 * and 2 % false alarms.
 */
#include "gen_app.h"

#include <stdio.h>
#include <stdlib.h>

/* --- a schema and its cases ----------------------------------------------------------------------
 */

static const struct {
    const char *module, *file;
} finflow[] = {
    { "identity", "migrations/0001_people.sql" },   { "identity", "queries.sql" },
    { "insights", "migrations/0001_insights.sql" }, { "insights", "queries.sql" },
    { "ledger", "migrations/0001_ledger.sql" },     { "ledger", "queries.sql" },
};

struct mistake {
    pd_str title, module, queries, migration, finds;
};

static pd_str lines(pd_str *rest, pd_str line)
{
    pd_str text = pd_str_n(rest->ptr, 0);
    while (rest->len && !pd_str_starts(*rest, PD_STR("--- ")) &&
           !pd_str_starts(*rest, PD_STR("### "))) {
        pd_str_split(rest, '\n', &line);
        text.len += line.len + 1;
    }
    return text;
}

static bool next_mistake(pd_str *rest, struct mistake *m)
{
    pd_str line;
    *m = (struct mistake){ 0 };
    while (rest->len && !pd_str_starts(*rest, PD_STR("### ")))
        pd_str_split(rest, '\n', &line);
    if (!rest->len)
        return false;
    pd_str_split(rest, '\n', &line);
    m->title = pd_str_sub(line, 4, line.len);
    while (rest->len && !pd_str_starts(*rest, PD_STR("### "))) {
        pd_str_split(rest, '\n', &line);
        if (pd_str_starts(line, PD_STR("module ")))
            m->module = pd_str_sub(line, 7, line.len);
        else if (pd_str_eq(line, PD_STR("--- queries")))
            m->queries = lines(rest, line);
        else if (pd_str_eq(line, PD_STR("--- migration")))
            m->migration = lines(rest, line);
        else if (pd_str_eq(line, PD_STR("--- finds")))
            m->finds = lines(rest, line);
    }
    return true;
}

static void add_text(struct app *a, pd_str module, const char *name, pd_str text)
{
    const char *file =
        pd_str_cstr(&a->arena, pd_str_fmt(&a->arena, "modules/%.*s/%s", PD_ARG(module), name));
    pd_str was = app_read(a, file);
    app_write(a, file, pd_str_fmt(&a->arena, "%.*s\n%.*s", PD_ARG(was), PD_ARG(text)));
}

/* The schema with its right statements. */
static void open_schema(struct app *a, const char *schema)
{
    app_begin(a);
    if (strcmp(schema, "finflow") != 0) {
        pd_str module = pd_str_c(schema);
        const char *from =
            pd_str_cstr(&a->arena, pd_str_fmt(&a->arena, "lint/%s/schema.sql", schema));
        add_text(a, module, "migrations/0001_schema.sql", source_file(a, from));
        from = pd_str_cstr(&a->arena, pd_str_fmt(&a->arena, "lint/%s/right.sql", schema));
        add_text(a, module, "queries.sql", source_file(a, from));
        return;
    }
    for (size_t i = 0; i < sizeof finflow / sizeof *finflow; i++) {
        pd_str path =
            pd_str_fmt(&a->arena, FINFLOW_DIR "/modules/%s/%s", finflow[i].module, finflow[i].file);
        add_text(a, pd_str_c(finflow[i].module), finflow[i].file, file_text(a, path));
    }
}

/* --- what is said -------------------------------------------------------------------------------
 */

enum { SAID_MAX = 64 };
struct said {
    pd_str code, name, remedy;
    pd_str index; /* "store_order(total)", several with a space between; "-": none is asked for */
    bool error, apart; /* apart: of one database only */
};

static pd_str index_of(struct app *a, pd_str remedy)
{
    struct pd_buf b;
    pd_buf_init(&b, &a->arena, 4096);
    for (size_t at; (at = pd_str_find_str(remedy, PD_STR(" on "))) != PD_NPOS;) {
        remedy = pd_str_sub(remedy, at + 4, remedy.len);
        pd_buf_fmt(&b, "%s%.*s", b.len ? " " : "", (int)pd_str_find(remedy, ';'), remedy.ptr);
    }
    return b.len ? pd_buf_str(&b) : PD_STR("-");
}

/* "f.sql:1:2: error PD-SQL-040: "by_name?a" scans …", "  remedy: …" */
static size_t read_said(struct app *a, struct said *out)
{
    pd_str rest = pd_buf_str(&a->said), line;
    size_t n = 0;
    while (pd_str_split(&rest, '\n', &line)) {
        size_t code = pd_str_find_str(line, PD_STR(" PD-")), quote = pd_str_find(line, '"');
        if (pd_str_starts(line, PD_STR("  remedy: create ")) && n) {
            out[n - 1].remedy = pd_str_sub(line, 10, line.len);
            out[n - 1].index = index_of(a, out[n - 1].remedy);
        }
        if (code == PD_NPOS || pd_str_starts(line, PD_STR("  ")))
            continue;
        assert_true(n < SAID_MAX);
        out[n] = (struct said){ .code = pd_str_sub(line, code + 1, code + 11),
                                .name = PD_STR("-"),
                                .index = PD_STR("-"),
                                .error = pd_str_find_str(line, PD_STR(": error ")) != PD_NPOS,
                                .apart = pd_str_find_str(line, PD_STR(", only in ")) != PD_NPOS };
        if (quote != PD_NPOS) {
            size_t end = quote + 1;
            while (end < line.len && !strchr("\"?|", line.ptr[end]))
                end++;
            out[n].name = pd_str_sub(line, quote + 1, end);
        }
        n++;
    }
    return n;
}

static bool is_said(const struct said *s, pd_str finding)
{
    pd_str code, name;
    pd_str_split(&finding, ' ', &code);
    pd_str_split(&finding, ' ', &name);
    return pd_str_eq(s->code, code) && pd_str_eq(s->name, name) && pd_str_eq(s->index, finding);
}

/* --- the two halves
 * ------------------------------------------------------------------------------- */

struct total {
    int right, alarms, mistakes, found, indexes, proved;
};

static void add_mistake(struct app *a, const char *schema, const struct mistake *m, pd_str indexes)
{
    open_schema(a, schema);
    pd_str module = m->module.len ? m->module : pd_str_c(schema);
    add_text(a, module, "queries.sql", m->queries);
    if (m->migration.len)
        add_text(a, module, "migrations/0008_mistake.sql", m->migration);
    if (indexes.len)
        add_text(a, module, "migrations/0009_remedy.sql", indexes);
    app_run(a);
}

/* With the indexes that were asked for, nothing is asked for any more. */
static void prove(const char *schema, const struct mistake *m, const struct said *said, size_t n,
                  struct total *t)
{
    struct app a;
    struct pd_buf indexes;
    app_begin(&a);
    struct said *again = pd_arena_new_n(&a.arena, struct said, SAID_MAX);
    pd_buf_init(&indexes, &a.arena, 1 << 16);
    for (size_t i = 0; i < n; i++)
        if (said[i].remedy.len && pd_str_find_str(pd_buf_str(&indexes), said[i].remedy) == PD_NPOS)
            pd_buf_fmt(&indexes, "%.*s\n", PD_ARG(said[i].remedy));
    if (indexes.len) {
        struct app b;
        int before = t->proved;
        add_mistake(&b, schema, m, pd_buf_str(&indexes));
        size_t left = read_said(&b, again);
        for (size_t i = 0; i < n; i++) {
            bool gone = said[i].remedy.len > 0;
            for (size_t j = 0; j < left; j++)
                gone &= !pd_str_eq(again[j].code, said[i].code) ||
                        !pd_str_eq(again[j].name, said[i].name);
            t->indexes += said[i].remedy.len > 0;
            t->proved += gone;
        }
        if (t->proved == before)
            print_error("%s, %.*s: still said\n%.*s", schema, PD_ARG(m->title),
                        PD_ARG(pd_buf_str(&b.said)));
        app_close(&b);
    }
    app_close(&a);
}

static void look_at_mistake(const char *schema, const struct mistake *m, struct total *t)
{
    struct app a;
    bool expected[SAID_MAX] = { 0 }, found = true;
    add_mistake(&a, schema, m, PD_STR_NULL);
    struct said *said = pd_arena_new_n(&a.arena, struct said, SAID_MAX);
    size_t n = read_said(&a, said);
    pd_str rest = m->finds, line;
    while (pd_str_split(&rest, '\n', &line)) {
        bool here = false;
        for (size_t i = 0; i < n && line.len; i++) {
            here |= is_said(&said[i], line);
            expected[i] |= is_said(&said[i], line);
        }
        found &= here || !line.len;
    }
    t->mistakes++;
    t->found += found;
    size_t more = 0;
    for (size_t i = 0; i < n; i++)
        more += !expected[i];
    t->alarms += (int)more;
    if (!found || more)
        print_error("%s, %.*s: expected\n%.*s  said\n%.*s", schema, PD_ARG(m->title),
                    PD_ARG(m->finds), PD_ARG(pd_buf_str(&a.said)));
    prove(schema, m, said, n, t);
    app_close(&a);
}

static void look_at_right(const char *schema, struct total *t)
{
    struct app a;
    open_schema(&a, schema);
    struct said *said = pd_arena_new_n(&a.arena, struct said, SAID_MAX);
    app_run(&a);
    for (struct sql_module *m = a.g.sql->modules; m; m = m->next)
        for (struct sql_stmt *st = m->stmts; st; st = st->next)
            t->right += !st->generated && !st->scan_ok.len;
    size_t n = read_said(&a, said);
    t->alarms += (int)n;
    if (n)
        print_error("%s: said of what is right\n%.*s", schema, PD_ARG(pd_buf_str(&a.said)));
    app_close(&a);
}

static void look_at(const char *schema, struct total *t)
{
    struct app files;
    struct mistake m;
    app_begin(&files);
    pd_str rest = source_file(
        &files, pd_str_cstr(&files.arena, pd_str_fmt(&files.arena, "lint/%s/wrong.txt", schema)));
    look_at_right(schema, t);
    while (next_mistake(&rest, &m))
        look_at_mistake(schema, &m, t);
    app_close(&files);
}

static void mistakes_are_found_and_what_is_right_is_left_alone(void **state)
{
    struct total t = { 0 };
    (void)state;
    look_at("store", &t);
    look_at("tracker", &t);
    look_at("clinic", &t);
    look_at("finflow", &t);
    print_message("%d of %d mistakes found, %d false alarms beside %d statements that are right, "
                  "%d of %d indexes proved\n",
                  t.found, t.mistakes, t.alarms, t.right, t.proved, t.indexes);
    assert_true(t.mistakes >= 100 && t.right >= 180);
    assert_true(t.found * 100 >= t.mistakes * 95);
    assert_true(t.alarms * 100 <= t.right * 2);
    assert_true(t.indexes > 40);
    assert_int_equal(t.proved, t.indexes);
}

/* --- before both databases
 * ------------------------------------------------------------------------ */

/* Those that are statements and no more stand in one app. Returns the lines that are to be found.
 */
static pd_str put_all(struct app *a, const char *schema, struct app *files)
{
    struct mistake m;
    struct pd_buf finds;
    pd_buf_init(&finds, &files->arena, 1 << 16);
    pd_str path = pd_str_fmt(&files->arena, "lint/%s/wrong.txt", schema);
    pd_str rest = source_file(files, pd_str_cstr(&files->arena, path));
    open_schema(a, schema);
    while (next_mistake(&rest, &m)) {
        bool plain =
            !m.migration.len && m.queries.len && !pd_str_starts(m.finds, PD_STR("PD-SQL-042"));
        if (!plain)
            continue;
        add_text(a, m.module.len ? m.module : pd_str_c(schema), "queries.sql", m.queries);
        pd_buf_put(&finds, m.finds);
    }
    return pd_buf_str(&finds);
}

static void both_find(const char *schema, int *found, int *mistakes)
{
    struct app a, files;
    app_begin(&files);
    pd_str rest = put_all(&a, schema, &files), line, code, name;
    a.g.postgres = pd_str_c(getenv("TEST_POSTGRES"));
    app_run(&a);
    struct said *said = pd_arena_new_n(&files.arena, struct said, SAID_MAX);
    size_t n = read_said(&a, said);
    while (pd_str_split(&rest, '\n', &line)) {
        bool here = false;
        if (!pd_str_split(&line, ' ', &code) || !pd_str_split(&line, ' ', &name))
            continue;
        for (size_t i = 0; i < n; i++)
            here |=
                pd_str_eq(said[i].code, code) && pd_str_eq(said[i].name, name) && !said[i].apart;
        ++*mistakes;
        *found += here;
        if (!here)
            print_error("%s: %.*s %.*s is not found by both\n", schema, PD_ARG(code), PD_ARG(name));
    }
    app_close(&a);
    app_close(&files);
}

static void both_say_nothing(const char *schema)
{
    struct app a;
    open_schema(&a, schema);
    a.g.postgres = pd_str_c(getenv("TEST_POSTGRES"));
    app_run(&a);
    if (a.said.len)
        fail_msg("%s: %.*s", schema, PD_ARG(pd_buf_str(&a.said)));
    app_close(&a);
}

static void both_databases_agree(void **state)
{
    static const char *const schemas[] = { "store", "tracker", "clinic", "finflow" };
    int found = 0, mistakes = 0;
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    for (size_t i = 0; i < 4; i++) {
        both_say_nothing(schemas[i]);
        both_find(schemas[i], &found, &mistakes);
    }
    print_message("%d of %d mistakes found by SQLite and PostgreSQL, no false alarm\n", found,
                  mistakes);
    assert_true(mistakes >= 50);
    assert_int_equal(found, mistakes);
}

/* One row of the category, so its products would come in order: SQLite knows, PostgreSQL does not.
 */
static const char joined[] =
    "-- name: joined :many\n"
    "select p.id from store_category c join store_product p on p.category_id = c.id\n"
    "where c.slug = :slug and p.active order by p.price, p.id limit :limit;\n";

static void run_joined(struct app *a, pd_str lock, bool server, const char *more)
{
    open_schema(a, "store");
    add_text(a, PD_STR("store"), "queries.sql", pd_str_c(joined));
    if (more)
        add_text(a, PD_STR("store"), "migrations/0002_more.sql", pd_str_c(more));
    if (lock.len)
        app_write(a, "pando.lock", lock);
    if (server)
        a->g.postgres = pd_str_c(getenv("TEST_POSTGRES"));
    app_run(a);
}

static bool is_told(struct app *a)
{
    return pd_str_find_str(pd_buf_str(&a->said),
                           PD_STR("warning PD-SQL-041: \"joined\" reads and sorts "
                                  "everything to return a page, only in "
                                  "PostgreSQL")) != PD_NPOS;
}

/* A build without a server says what the one with a server said, as long as nothing changes. */
static void what_one_database_says_stays_in_the_lock_file(void **state)
{
    struct app with, without, other;
    (void)state;
    if (!getenv("TEST_POSTGRES"))
        skip();
    run_joined(&with, PD_STR_NULL, true, NULL);
    assert_true(is_told(&with));
    assert_int_equal(with.g.errors, 0);
    pd_str lock = sql_lock_text(with.g.sql);
    run_joined(&without, lock, false, NULL);
    assert_true(is_told(&without));
    assert_true(pd_str_eq(sql_lock_text(without.g.sql), lock));
    run_joined(&other, lock, false, "create table store_more (id id);");
    assert_false(is_told(&other));
    app_close(&other);
    app_close(&without);
    app_close(&with);
}

/* A small table may be read for each page, but not for each row of a loop. */
static void reading_a_small_table_is_no_key(void **state)
{
    struct app a;
    (void)state;
    open_schema(&a, "store");
    app_run(&a);
    struct sql_module *m = a.g.sql->modules;
    assert_false(sql_stmt_find(m, PD_STR("categories"))->keyed);
    assert_true(sql_stmt_find(m, PD_STR("category_get"))->keyed);
    app_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_a_small_table_is_no_key),
        cmocka_unit_test(mistakes_are_found_and_what_is_right_is_left_alone),
        cmocka_unit_test(both_databases_agree),
        cmocka_unit_test(what_one_database_says_stays_in_the_lock_file),
    };
    return cmocka_run_group_tests_name("gen/lint", tests, NULL, NULL);
}
