/* Tests of the shape compiler: what it reads, what it refuses, what it writes. */
#include "gen_dir.h"

static void read_header(struct gen_dir *d, const char *text)
{
    gen_dir_init(d);
    gen_dir_put(d, "modules/demo/shapes.h", text);
    gen_dir_read(d, false);
}

static struct gen_field *field(struct gen_dir *d, const char *of, const char *name)
{
    struct gen_struct *s = gen_struct_find(&d->g, pd_str_c(of));
    assert_non_null(s);
    struct gen_field *f = gen_struct_field(s, pd_str_c(name));
    assert_non_null(f);
    return f;
}

static void reads_every_type(void **state)
{
    (void)state;
    struct gen_dir d;
    read_header(&d, "struct demo_other { bool b; };\n"
                    "struct demo_other_list { struct demo_other *rows; size_t n; };\n"
                    "struct demo_all {\n"
                    "    bool a; int32_t b; int64_t c; pd_money d; pd_id e, f;\n"
                    "    pd_str g; pd_time h; pd_date i; pd_uuid j; pd_json k; pd_opt_i64 l;\n"
                    "    struct demo_other m, *n; const struct demo_other *o;\n"
                    "    struct demo_other_list p;\n"
                    "};\n");
    assert_string_equal(d.errors, "");
    static const enum pd_type want[] = { PD_T_BOOL,   PD_T_I32,  PD_T_I64,  PD_T_MONEY,
                                         PD_T_ID,     PD_T_ID,   PD_T_STR,  PD_T_TIME,
                                         PD_T_DATE,   PD_T_UUID, PD_T_JSON, PD_T_OPT,
                                         PD_T_STRUCT, PD_T_PTR,  PD_T_PTR,  PD_T_LIST };
    size_t i = 0;
    for (struct gen_field *f = gen_struct_find(&d.g, PD_STR("demo_all"))->fields; f; f = f->next)
        assert_int_equal(f->type, want[i++]);
    assert_int_equal(i, sizeof(want) / sizeof(want[0]));
    assert_true(pd_str_eq(field(&d, "demo_all", "p")->of->name, PD_STR("demo_other")));
    gen_dir_fini(&d);
}

static void reads_annotations(void **state)
{
    (void)state;
    struct gen_dir d;
    read_header(&d, "struct demo_in {\n"
                    "    pd_money amount; // cents @min 1 @max 1000\n"
                    "    int64_t low, high; /* @min 5 */\n"
                    "    pd_str mail; // @email @trim @len 3 64 @optional\n"
                    "    pd_opt_i64 at; // @time @omit\n"
                    "    pd_str key; // @hidden @bytes\n"
                    "    pd_str free;\n"
                    "};\n");
    assert_string_equal(d.errors, "");
    struct gen_field *f = field(&d, "demo_in", "amount");
    assert_true(f->min == 1 && f->max == 1000);
    f = field(&d, "demo_in", "high");
    assert_true(f->min == 5 && f->max == INT64_MAX);
    assert_true(field(&d, "demo_in", "low")->min == 5);
    f = field(&d, "demo_in", "mail");
    assert_int_equal(f->flags, PD_F_EMAIL | PD_F_TRIM | PD_F_OPTIONAL);
    assert_true(f->min == 3 && f->max == 64);
    f = field(&d, "demo_in", "at");
    assert_true(f->as == PD_T_TIME && f->flags == PD_F_OMIT);
    f = field(&d, "demo_in", "key");
    assert_true(f->type == PD_T_BYTES && f->flags == PD_F_HIDDEN);
    assert_int_equal(field(&d, "demo_in", "free")->flags, 0);
    gen_dir_fini(&d);
}

static void skips_what_is_not_data(void **state)
{
    (void)state;
    struct gen_dir d;
    read_header(&d, "#ifndef X\n#define X \\\n  struct nothing {\n#include <a.h>\n"
                    "/* struct comment { char c; }; */\n"
                    "struct later;\nenum demo_kind { A, B = 2 };\n"
                    "struct demo_x *demo_find(struct pd_ctx *c, pd_id id) PD_YIELDS;\n"
                    "const struct pd_shape *demo_any(void);\n"
                    "extern const struct pd_module demo_module;\n"
                    "static inline int demo_two(void) { if (1) { return 2; } return 3; }\n"
                    "struct demo_x { bool on; };\n#endif\n");
    assert_string_equal(d.errors, "");
    assert_int_equal(gen_struct_find(&d.g, PD_STR("demo_x"))->nfields, 1);
    assert_null(gen_struct_find(&d.g, PD_STR("nothing")));
    gen_dir_fini(&d);
}

static const struct wrong {
    const char *text, *error, *remedy;
} wrong[] = {
    { "struct demo_a {\n  double d;\n};", "shapes.h:2:3: error PD-SHAPE-002", "minor units" },
    { "struct demo_a { float f; };", "PD-SHAPE-002", "minor units" },
    { "struct demo_a { char name[20]; };", "PD-SHAPE-002", "text is pd_str" },
    { "struct demo_a { int n; };", "PD-SHAPE-002", "int64_t" },
    { "struct demo_a { pd_sr s; };", "PD-SHAPE-003: unknown type \"pd_sr\"",
      "did you mean \"pd_str\"?" },
    { "struct demo_a { pd_id ids[3]; };", "PD-SHAPE-004", "arrays" },
    { "struct demo_a { bool b : 1; };", "PD-SHAPE-004", "bit fields" },
    { "struct demo_a { pd_id (*f)(void); };", "PD-SHAPE-004", "data only" },
    { "struct demo_a { pd_str *s; };", "PD-SHAPE-004", "behind struct X" },
    { "struct demo_a { struct { bool b; } in; };", "PD-SHAPE-004", "define it above" },
    { "struct demo_a { };", "PD-SHAPE-004", "give it one" },
    { "struct demo_a {\n  pd_id a; // @mim 1\n};", "shapes.h:2:12: error PD-SHAPE-005",
      "did you mean \"min\"?" },
    { "struct demo_a { pd_id a; // @min\n};", "PD-SHAPE-005: @min needs 1 whole number", "@min 1" },
    { "struct demo_a { int64_t a; // @min 1.5\n};", "PD-SHAPE-005", "@min 1" },
    { "struct demo_a { pd_money a; // @decimals 9\n};", "@decimals is 0 to 8", "@decimals 2" },
    { "struct demo_a { int64_t a; // @decimals 2\n};", "@decimals does not fit field \"a\"",
      "pd_money" },
    { "struct demo_a { bool a; // @len 1 2\n};", "@len does not fit field \"a\"", "pd_str" },
    { "struct demo_a { int64_t a; // @min 3 @max 2\n};", "@min is above @max", "no value" },
    { "struct demo_a { int64_t a; // @min 0 @max 0\n};", "only 0 can pass", "widen" },
    { "struct demo_a { int64_t a; // @max 0 @min 0\n};", "only 0 can pass", "widen" },
    { "struct demo_a {\n  // @trim\n  pd_str a;\n};", "PD-SHAPE-006", "behind the field" },
    { "struct demo_a { size_t n; };", "PD-SHAPE-007", "int64_t" },
    { "struct demo_a { bool b; };\nstruct demo_a { bool b; };", "shapes.h:2:8: error PD-SHAPE-008",
      "rename" },
    { "struct demo_a { struct demo_missing b; };", "PD-SHAPE-009", "define it" },
    { "struct demo_bc { bool b; };\nstruct demo_a { struct demo_cb b; };", "PD-SHAPE-009",
      "did you mean \"demo_bc\"?" },
    { "struct demo_x { bool b; };\nstruct demo_l { struct demo_x *rows; size_t n; };\n"
      "struct demo_a { struct demo_l *l; };",
      "PD-SHAPE-010", "embed it" },
    { "struct demo_a { struct demo_a a; };", "PD-SHAPE-011", "pointer" },
    { "struct demo_a { struct demo_b b; }; struct demo_b { struct demo_a a; };", "PD-SHAPE-011",
      "pointer" },
    { "struct other { bool b; };", "PD-SHAPE-012", "demo_other" },
    { "typedef struct demo_a demo_a;", "PD-SHAPE-001", "struct name" },
    { "union demo_u { bool b; };", "PD-SHAPE-001", "optional field" },
    { "int demo_counter;", "PD-SHAPE-001", ".c file" },
    { "int demo_f(void) { return 1; }", "PD-SHAPE-001", ".c file" },
    { "#ifdef BIG\nstruct demo_a { bool b; };\n#endif", "PD-SHAPE-001", "every build" },
    { "struct demo_a { bool b; } the_a;", "PD-SHAPE-001", "define the struct alone" },
};

static void refuses_with_place_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct gen_dir d;
        read_header(&d, wrong[i].text);
        gen_dir_expect(&d, wrong[i].error);
        gen_dir_expect(&d, wrong[i].remedy);
        assert_true(d.g.errors > 0);
        gen_dir_fini(&d);
    }
}

static void reports_all_errors_of_a_file(void **state)
{
    (void)state;
    struct gen_dir d;
    read_header(&d, "struct demo_a { char c; double d; bool good; int n; };\nint x;\n");
    assert_int_equal(d.g.errors, 4);
    field(&d, "demo_a", "good");
    gen_dir_fini(&d);
}

/* Whatever the bytes: it ends, and reads nothing beyond them (ASan). */
static void survives_broken_text(void **state)
{
    (void)state;
    static const char sample[] =
        "#define A \\\nstruct demo_a { const struct demo_b *b, c; pd_id a; "
        "// @min 1 @len 2 3\n pd_str s; /* @optional */ };\nenum e { A };\n"
        "static inline int f(int a) { return '\\''; } \"x\\\"\"";
    for (size_t len = 0; len < sizeof(sample); len++) {
        struct gen_dir d;
        gen_dir_init(&d);
        gen_dir_put_bytes(&d, "modules/demo/shapes.h", pd_str_n(sample, len));
        gen_dir_read(&d, false);
        gen_dir_fini(&d);
    }
}

static void writes_tables(void **state)
{
    (void)state;
    struct gen_dir d;
    read_header(&d, "struct demo_b { bool on; };\n"
                    "struct demo_a {\n    pd_money amount; // @min 1\n"
                    "    pd_opt_i64 at; // @time @optional @omit\n    struct demo_b *b;\n};\n");
    assert_int_equal(gen_shapes_write(&d.g), PD_OK);
    pd_str c = gen_dir_out(&d, "demo_shapes.c"), h = gen_dir_out(&d, "demo_shapes.h");
    static const char *const parts[] = {
        ".name = \"amount\", .name_len = 6, .type = PD_T_MONEY, .min = INT64_C(1), ",
        ".min = INT64_C(1), .max = INT64_MAX",
        ".type = PD_T_OPT, .as = PD_T_TIME, .flags = PD_F_OPTIONAL | PD_F_OMIT",
        ".offset = offsetof(struct demo_a, b), .of = &demo_b_shape",
        "const struct pd_shape demo_a_shape = {",
        "#include \"demo_gen.h\"",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        assert_true(pd_str_find_str(c, pd_str_c(parts[i])) != PD_NPOS);
    assert_true(pd_str_find_str(h, PD_STR("extern const struct pd_shape demo_a_shape;")) !=
                PD_NPOS);
    pd_str all = gen_dir_out(&d, "demo_gen.h");
    assert_true(pd_str_find_str(all, PD_STR("#include \"modules/demo/shapes.h\"")) != PD_NPOS);
    gen_dir_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(reads_annotations),
        cmocka_unit_test(skips_what_is_not_data),
        cmocka_unit_test(refuses_with_place_and_remedy),
        cmocka_unit_test(reports_all_errors_of_a_file),
        cmocka_unit_test(survives_broken_text),
        cmocka_unit_test(writes_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
