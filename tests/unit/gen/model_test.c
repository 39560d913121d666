/* Tests of model.c and model_files.c: one for each sentence of model.h. */
#include "gen_dir.h"

#include <unistd.h>

static void scan_finds_modules_in_order(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "modules/web/x", "");
    gen_dir_put(&d, "modules/audit/x", "");
    gen_dir_put(&d, "modules/README", "not a folder");
    assert_int_equal(gen_scan(&d.g, pd_str_fmt(&d.g.arena, "%s/", d.path)), PD_OK);
    assert_true(pd_str_eq(d.g.modules->name, PD_STR("audit")));
    assert_true(pd_str_eq(d.g.modules->next->name, PD_STR("web")));
    assert_null(d.g.modules->next->next);
    assert_true(pd_str_starts(gen_app_name(&d.g), PD_STR("pando_gen_"))); /* of pando-gen-… */
    gen_dir_fini(&d);
}

static void scan_refuses_what_is_no_app(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    assert_int_equal(gen_scan(&d.g, pd_str_c(d.path)), PD_ENOTFOUND);
    assert_non_null(strstr(pd_diag()->hint, "modules/<name>/"));
    gen_dir_put(&d, "modules/Not-C/x", "");
    assert_int_equal(gen_scan(&d.g, pd_str_c(d.path)), PD_EINVAL);
    gen_dir_fini(&d);
}

/* Files or functions of such a module would meet those of the library and of assets/. */
static void scan_refuses_names_that_are_pandos_own(void **state)
{
    static const char *const names[] = { "modules/pd/x", "modules/assets/x" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct gen_dir d;
        gen_dir_init(&d);
        gen_dir_put(&d, names[i], "");
        assert_int_equal(gen_scan(&d.g, pd_str_c(d.path)), PD_EINVAL);
        assert_non_null(strstr(pd_diag()->message, "pando's own"));
        gen_dir_fini(&d);
    }
}

/* What cannot be looked at is not taken for absent: nothing is written without it. */
static void unseen_file_is_told_and_nothing_written(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "modules/shop/x", "");
    pd_str loop = pd_str_fmt(&d.g.arena, "%s/modules/shop/shapes.h", d.path);
    assert_int_equal(symlink("shapes.h", pd_str_cstr(&d.g.arena, loop)), 0); /* to itself */
    assert_int_equal(gen_seen(&d.g), PD_OK);
    assert_false(gen_exists(&d.g, pd_str_fmt(&d.g.arena, "%s/absent", d.path)));
    assert_int_equal(gen_seen(&d.g), PD_OK);
    assert_false(gen_exists(&d.g, loop));
    assert_int_not_equal(gen_seen(&d.g), PD_OK);
    assert_non_null(strstr(pd_diag()->message, "shapes.h"));
    d.g.out_dir = pd_str_fmt(&d.g.arena, "%s/out", d.path);
    assert_int_not_equal(gen_write(&d.g, PD_STR("a.c"), PD_STR("one")), PD_OK);
    gen_dir_fini(&d);
}

static void text_has_no_mark_and_plain_line_ends(void **state)
{
    (void)state;
    struct gen_dir d;
    pd_str text;
    gen_dir_init(&d);
    gen_dir_put(&d, "a.sql",
                "\xef\xbb\xbf"
                "one\r\ntwo\rthree\r\n\r");
    pd_str path = pd_str_fmt(&d.g.arena, "%s/a.sql", d.path);
    assert_int_equal(gen_read_text(&d.g, path, &text), PD_OK);
    assert_true(pd_str_eq(text, PD_STR("one\ntwo\rthree\n\r")));
    gen_dir_put(&d, "a.sql", "caf\xe9");
    assert_int_equal(gen_read_text(&d.g, path, &text), PD_EINVAL);
    gen_dir_put_bytes(&d, "a.sql", pd_str_n("a\0b", 3));
    assert_int_equal(gen_read_text(&d.g, path, &text), PD_EINVAL);
    gen_dir_put(&d, "a.sql", "");
    assert_int_equal(gen_read_text(&d.g, path, &text), PD_OK);
    assert_int_equal(text.len, 0);
    gen_dir_fini(&d);
}

static void write_leaves_unchanged_files_alone(void **state)
{
    (void)state;
    struct gen_dir d;
    struct stat first, second, third;
    char path[128];
    gen_dir_init(&d);
    d.g.out_dir = pd_str_fmt(&d.g.arena, "%s/deep/out", d.path);
    snprintf(path, sizeof(path), "%s/deep/out/a.c", d.path);
    assert_int_equal(gen_write(&d.g, PD_STR("a.c"), PD_STR("one")), PD_OK);
    assert_int_equal(stat(path, &first), 0);
    assert_int_equal(gen_write(&d.g, PD_STR("a.c"), PD_STR("one")), PD_OK);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(gen_write(&d.g, PD_STR("a.c"), PD_STR("two")), PD_OK);
    assert_int_equal(stat(path, &third), 0);
    assert_int_not_equal(first.st_ino, third.st_ino); /* renamed over: never half a file */
    pd_str text;
    assert_int_equal(gen_read(&d.g, pd_str_c(path), &text), PD_OK);
    assert_true(pd_str_eq(text, PD_STR("two")));
    gen_dir_fini(&d);
}

static void write_tells_what_it_could_not_do(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "file", "");
    d.g.out_dir = pd_str_fmt(&d.g.arena, "%s/file/out", d.path);
    assert_int_equal(gen_write(&d.g, PD_STR("a.c"), PD_STR("one")), PD_EIO);
    assert_non_null(strstr(pd_diag()->message, "/file"));
    gen_dir_fini(&d);
}

static void read_and_list(void **state)
{
    (void)state;
    struct gen_dir d;
    pd_str text, *names;
    size_t n;
    gen_dir_init(&d);
    pd_str dir = pd_str_c(d.path);
    assert_int_equal(gen_read(&d.g, pd_str_fmt(&d.g.arena, "%s/none", d.path), &text),
                     PD_ENOTFOUND);
    assert_int_equal(gen_read(&d.g, dir, &text), PD_EINVAL);
    gen_dir_put(&d, "b", "");
    gen_dir_put(&d, "a", "text");
    gen_dir_put(&d, ".hidden", "");
    assert_int_equal(gen_list(&d.g, dir, &names, &n), PD_OK);
    assert_int_equal(n, 2);
    assert_true(pd_str_eq(names[0], PD_STR("a")) && pd_str_eq(names[1], PD_STR("b")));
    assert_int_equal(gen_read(&d.g, pd_str_fmt(&d.g.arena, "%s/a", d.path), &text), PD_OK);
    assert_true(pd_str_eq(text, PD_STR("text")) && text.ptr[4] == 0);
    assert_int_equal(gen_list(&d.g, PD_STR("/tmp/pando-no-such-folder"), &names, &n), PD_OK);
    assert_int_equal(n, 0);
    gen_dir_fini(&d);
}

static void error_has_place_code_and_remedy(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_error(&d.g, PD_STR("a.sql"), 3, 7, "PD-SQL-012", PD_STR("no such column"),
              PD_STR("add it"));
    gen_error(&d.g, PD_STR("b.h"), 4, 0, "PD-SHAPE-001", PD_STR("odd"), PD_STR_NULL);
    assert_string_equal(d.errors, "a.sql:3:7: error PD-SQL-012: no such column\n  remedy: add it\n"
                                  "b.h:4: error PD-SHAPE-001: odd\n");
    assert_int_equal(d.g.errors, 2);
    gen_dir_fini(&d);
}

static void rows_have_lists(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    struct gen_module m = { .name = PD_STR_INIT("demo") };
    struct gen_struct *row = gen_struct_add(&d.g, &m, PD_STR("demo_row"), PD_STR("q.sql"), 1);
    row->is_row = true;
    gen_field_add(&d.g, row, PD_STR("id"), PD_T_ID);
    struct gen_struct *view = gen_struct_add(&d.g, &m, PD_STR("demo_view"), PD_STR("s.h"), 1);
    struct gen_field *rows = gen_field_add(&d.g, view, PD_STR("rows"), PD_T_STRUCT);
    rows->of_name = PD_STR("demo_row_list");
    gen_model_resolve(&d.g);
    assert_int_equal(d.g.errors, 0);
    assert_int_equal(rows->type, PD_T_LIST);
    assert_ptr_equal(rows->of, row);
    assert_ptr_equal(gen_struct_field(row, PD_STR("id")), row->fields);
    assert_null(gen_struct_field(row, PD_STR("pd")));
    gen_dir_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_finds_modules_in_order),
        cmocka_unit_test(scan_refuses_what_is_no_app),
        cmocka_unit_test(scan_refuses_names_that_are_pandos_own),
        cmocka_unit_test(unseen_file_is_told_and_nothing_written),
        cmocka_unit_test(text_has_no_mark_and_plain_line_ends),
        cmocka_unit_test(write_leaves_unchanged_files_alone),
        cmocka_unit_test(write_tells_what_it_could_not_do),
        cmocka_unit_test(read_and_list),
        cmocka_unit_test(error_has_place_code_and_remedy),
        cmocka_unit_test(rows_have_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
