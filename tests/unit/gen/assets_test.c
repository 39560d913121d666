/* Tests of the asset compiler: names, references inside style sheets, compressed forms, errors. */
#include "gen_dir.h"
#include "gen/assets.h"

#include <zlib.h>

static void read_assets(struct gen_dir *d)
{
    gen_dir_put(d, "modules/demo/x", "");
    gen_dir_read(d, true);
}

static struct asset *asset(struct gen_dir *d, const char *name)
{
    struct asset *a = asset_find(&d->g, pd_str_c(name));
    assert_non_null(a);
    return a;
}

static bool holds(pd_str text, pd_str part)
{
    return part.len && pd_str_find_str(text, part) != PD_NPOS;
}

static void names_are_made_of_the_content(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "assets/app.css", "a { color: red }");
    gen_dir_put(&d, "assets/b/app.css", "a { color: red }");
    gen_dir_put(&d, "assets/other.css", "a { color: blue }");
    gen_dir_put(&d, "assets/robots.v2.txt", "");
    read_assets(&d);
    assert_string_equal(d.errors, "");
    pd_str hashed = asset(&d, "app.css")->hashed;
    assert_int_equal(hashed.len, strlen("app-0123456789ab.css"));
    assert_true(pd_str_starts(hashed, PD_STR("app-")) && pd_str_ends(hashed, PD_STR(".css")));
    assert_true(pd_str_ends(asset(&d, "b/app.css")->hashed, hashed));
    assert_true(pd_str_starts(asset(&d, "b/app.css")->hashed, PD_STR("b/app-")));
    assert_false(
        pd_str_eq(pd_str_sub(asset(&d, "other.css")->hashed, 6, 18), pd_str_sub(hashed, 4, 16)));
    assert_true(pd_str_starts(asset(&d, "robots.v2.txt")->hashed, PD_STR("robots.v2-")));
    gen_dir_fini(&d);
}

static void an_empty_file_is_an_asset(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "assets/a.css", "");
    gen_dir_put(&d, "assets/b.txt", "");
    read_assets(&d);
    assert_int_equal(gen_assets_write(&d.g), PD_OK);
    pd_str code = gen_dir_out(&d, "assets_gen.c");
    assert_true(holds(code, PD_STR("data_0[] =\n    \"\";")));
    assert_true(holds(code, PD_STR("data_1[] =\n    \"\";")));
    assert_true(holds(code, PD_STR(".data = data_0, .size = 0 }")));
    gen_dir_fini(&d);
}

static void references_in_sheets_are_hashed(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "assets/css/app.css",
                "@import 'base.css'; @import url(\"base.css\");\n"
                "a { background: URL( ../img/x.svg ) }\n/* url(gone.png) */\n"
                "b { content: 'url(gone.png)'; background: url(/abs.png), url(https://h/x), "
                "url(data:x), url(#f), url('../img/x.svg?v=1#a') }\n");
    gen_dir_put(&d, "assets/css/base.css", "i { background: url(../img/x.svg) }");
    gen_dir_put(&d, "assets/img/x.svg", "<svg/>");
    read_assets(&d);
    assert_string_equal(d.errors, "");
    pd_str css = asset(&d, "css/app.css")->data;
    pd_str svg = asset(&d, "img/x.svg")->hashed, base = asset(&d, "css/base.css")->hashed;
    base = pd_str_sub(base, 4, base.len); /* beside the sheet */
    assert_true(holds(css, pd_str_fmt(&d.g.arena, "@import '%.*s'; @import url(\"%.*s\");",
                                      PD_ARG(base), PD_ARG(base))));
    assert_true(holds(css, pd_str_fmt(&d.g.arena, "URL( ../%.*s)", PD_ARG(svg))) ||
                holds(css, pd_str_fmt(&d.g.arena, "URL( ../%.*s )", PD_ARG(svg))));
    assert_true(holds(css, pd_str_fmt(&d.g.arena, "url('../%.*s?v=1#a')", PD_ARG(svg))));
    assert_true(holds(css, PD_STR("/* url(gone.png) */\nb { content: 'url(gone.png)'; ")));
    assert_true(holds(css, PD_STR("url(/abs.png), url(https://h/x), url(data:x), url(#f)")));
    gen_dir_fini(&d);
}

/* A change of an image changes the name of the sheet that shows it. */
static void a_sheets_name_depends_on_its_references(void **state)
{
    (void)state;
    pd_str names[2];
    char kept[2][64];
    for (int i = 0; i < 2; i++) {
        struct gen_dir d;
        gen_dir_init(&d);
        gen_dir_put(&d, "assets/app.css", "a { background: url(x.svg) }");
        gen_dir_put(&d, "assets/x.svg", i ? "<svg/>" : "<svg></svg>");
        read_assets(&d);
        names[i] = asset(&d, "app.css")->hashed;
        snprintf(kept[i], sizeof(kept[i]), "%.*s", PD_ARG(names[i]));
        gen_dir_fini(&d);
    }
    assert_string_not_equal(kept[0], kept[1]);
}

static void compressed_forms_are_kept_if_smaller(void **state)
{
    (void)state;
    struct gen_dir d;
    static char big[4096], back[sizeof(big)];
    char noise[256];
    gen_dir_init(&d);
    memset(big, 'a', sizeof(big));
    for (uint32_t i = 0, x = 1; i < sizeof(noise); i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (char)(x >> 24);
    }
    gen_dir_put_bytes(&d, "assets/big.txt", pd_str_n(big, sizeof(big)));
    gen_dir_put_bytes(&d, "assets/noise.png", pd_str_n(noise, sizeof(noise)));
    gen_dir_put(&d, "assets/empty.txt", "");
    read_assets(&d);
    assert_string_equal(d.errors, "");
    struct asset *a = asset(&d, "big.txt");
    assert_in_range(a->gzip.len, 1, 100);
    assert_in_range(a->brotli.len, 1, 100);
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)a->gzip.ptr,
                   .avail_in = (unsigned)a->gzip.len,
                   .next_out = (unsigned char *)back,
                   .avail_out = sizeof(back) };
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    assert_memory_equal(back, big, sizeof(big));
    assert_null(asset(&d, "noise.png")->gzip.ptr);
    assert_null(asset(&d, "noise.png")->brotli.ptr);
    assert_null(asset(&d, "empty.txt")->gzip.ptr);
    gen_dir_fini(&d);
}

static const struct wrong {
    const char *name, *content, *error, *remedy;
} wrong[] = {
    { "assets/a.css", "\n\nb { c: url(../x.svg) }", "a.css:3: error PD-ASSET-002", "put the file" },
    { "assets/a.css", "b { c: url(a.cs) }", "PD-ASSET-002: \"a.cs\"", "did you mean \"a.css\"?" },
    { "assets/a.css", "@import \"a.css\";", "PD-ASSET-003: style sheets that import", "third" },
    { "assets/a.exe", "x", "a.exe: error PD-ASSET-004", "assets.c" },
    { "assets/a b.css", "x", "PD-ASSET-006", "letters" },
};

static void refuses_with_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct gen_dir d;
        gen_dir_init(&d);
        gen_dir_put(&d, wrong[i].name, wrong[i].content);
        read_assets(&d);
        gen_dir_expect(&d, wrong[i].error);
        gen_dir_expect(&d, wrong[i].remedy);
        gen_dir_fini(&d);
    }
}

static void writes_a_sorted_table(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "assets/b.txt",
                "\"?\\\n\xff"
                "1");
    gen_dir_put(&d, "assets/a.txt", "x");
    read_assets(&d);
    assert_int_equal(gen_assets_write(&d.g), PD_OK);
    pd_str c = gen_dir_out(&d, "assets_gen.c");
    size_t a = pd_str_find_str(c, PD_STR(".name = \"a.txt\""));
    assert_true(a < pd_str_find_str(c, PD_STR(".name = \"b.txt\"")));
    assert_true(holds(c, PD_STR("    \"\\042\\077\\134\\012\\3771\";")));
    assert_true(holds(c, PD_STR(".content_type = \"text/plain; charset=utf-8\"")));
    pd_str h = gen_dir_out(&d, "assets_gen.h");
    assert_true(holds(h, gen_app_name(&d.g)));
    assert_true(holds(h, PD_STR("_NASSETS = 2 };")));
    gen_dir_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_of_the_content),
        cmocka_unit_test(an_empty_file_is_an_asset),
        cmocka_unit_test(references_in_sheets_are_hashed),
        cmocka_unit_test(a_sheets_name_depends_on_its_references),
        cmocka_unit_test(compressed_forms_are_kept_if_smaller),
        cmocka_unit_test(refuses_with_remedy),
        cmocka_unit_test(writes_a_sorted_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
