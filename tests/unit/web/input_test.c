/* Tests of what reads the client's text: path.h, urlencoded.h, cookie.h (reading). */
#include "web/cookie.h"
#include "web/path.h"
#include "web/urlencoded.h"
#include "../aborts.h"
#include "../guard.h"
#include "web_test.h"
#include <pando/buf.h>

#include <ctype.h>

/* A slice with nothing before or behind it that may be read. */
static pd_str tight(const char *s, bool begins)
{
    return pd_str_n(guarded_at(s, strlen(s), begins), strlen(s));
}

/* --- paths -------------------------------------------------------------------------------------
 */

static void a_path_is_decoded_once(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        { "/", "/" },
        { "/a/b", "/a/b" },
        { "/a%20b", "/a b" },
        { "/%41", "/A" },
        { "/%2541", "/%41" }, /* once */
        { "/caf%C3%A9", "/caf\xc3\xa9" },
        { "/a+b", "/a+b" },
        { "/.well-known/x", "/.well-known/x" },
        { "/a..b/...", "/a..b/..." },
        { "//", "//" },
    };
    for (size_t i = 0; i < 2 * sizeof good / sizeof good[0]; i++) {
        pd_str path;
        if (!pd_path_normalise(&arena, tight(good[i / 2][0], i % 2), &path))
            fail_msg("refused: %s", good[i / 2][0]);
        assert_str(path, good[i / 2][1]);
    }
    pd_str plain = PD_STR("/a.b/c"), path;
    assert_true(pd_path_normalise(&arena, plain, &path) && path.ptr == plain.ptr);
}

static void an_ambiguous_path_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "a",     "/%00",       "/a%00b",        "/a%2fb",  "/a%2Fb",  "/a\\b",
        "/a%5cb",     "/a%5C", "/.",         "/..",           "/../etc", "/a/..",   "/a/./b",
        "/a/.",       "/%2e",  "/%2e%2e/x",  "/a/%2E./b",     "/.%2e",   "/%c0%af", "/%c0%80",
        "/%e0%80%af", "/%ff",  "/%ed%a0%80", "/%f4%90%80%80", "/%",      "/%4",     "/%g1",
        "/%-1",       "/a b",  "/a\tb",      "/a\nb",         "/%0a",    "/%0d%0a", "/%7f",
        "/\xc3\xa9",  "/%4@",  "/%4`",       "/%@1",          "/%4/",    "/%4:",    "/%4G",
    };
    for (size_t i = 0; i < 2 * sizeof bad / sizeof bad[0]; i++) {
        pd_str path;
        if (pd_path_normalise(&arena, tight(bad[i / 2], i % 2), &path))
            fail_msg("accepted: %s", bad[i / 2]);
    }
}

/* Long enough for the loop that looks at many bytes at once. */
static void every_byte_of_a_long_path_is_judged(void **state)
{
    (void)state;
    enum { LEN = 40 };
    for (int c = 0; c < 256; c++)
        for (size_t at = 1; at < LEN; at++) {
            char raw[LEN];
            pd_str path;
            memset(raw, 'a', LEN);
            raw[0] = '/';
            raw[at] = (char)c;
            bool ok = c > ' ' && c < 0x7f && c != '%' && c != '\\';
            if (pd_path_normalise(&arena, pd_str_n(guarded(raw, LEN), LEN), &path) != ok)
                fail_msg("byte 0x%02x at %zu: %s", c, at, ok ? "refused" : "accepted");
        }
}

static void a_dot_segment_of_a_long_path_is_seen(void **state)
{
    (void)state;
    enum { LEN = 40 };
    for (size_t at = 1; at + 1 < LEN; at++)
        for (int dots = 1; dots <= 3; dots++) {
            char raw[LEN + 4];
            pd_str path;
            memset(raw, 'a', sizeof raw);
            raw[0] = raw[at] = '/';
            memset(raw + at + 1, '.', (size_t)dots);
            size_t end = at + 1 + (size_t)dots;
            bool ok = dots == 3;
            assert_int_equal(pd_path_normalise(&arena, pd_str_n(raw, end), &path), ok);
            if (end >= LEN)
                continue;
            assert_true(pd_path_normalise(&arena, pd_str_n(raw, LEN), &path));
            raw[end] = '/';
            assert_int_equal(pd_path_normalise(&arena, pd_str_n(raw, LEN), &path), ok);
        }
}

/* A path lies in a buffer with other bytes behind it. */
static void nothing_behind_a_path_is_read(void **state)
{
    (void)state;
    pd_str path;
    assert_true(pd_path_normalise(&arena, pd_str_n("/a/.", 3), &path));
    assert_true(pd_path_normalise(&arena, pd_str_n("/a/.b", 3), &path));
    assert_false(pd_path_normalise(&arena, pd_str_n("/a/.b", 4), &path));
    assert_false(pd_path_normalise(&arena, pd_str_n("/a/...", 4), &path));
    assert_true(pd_path_normalise(&arena, pd_str_n("/a/...", 6), &path));
    assert_false(pd_path_normalise(&arena, pd_str_n("/a/...", 5), &path));
    assert_false(pd_path_normalise(&arena, pd_str_n("/%41", 3), &path));
    assert_false(pd_path_normalise(&arena, pd_str_n("/%41", 2), &path));
    assert_false(pd_component_decode(&arena, pd_str_n("a%41", 3), &path));
    assert_false(pd_component_decode(&arena, pd_str_n("a%41", 2), &path));
    assert_false(pd_component_decode(&arena, PD_STR("a%00"), &path));
}

static void only_local_targets_are_local(void **state)
{
    (void)state;
    static const char *const good[] = { "/", "/a", "/a?b=//c", "/a/b#c", "/@x", "/:80" };
    static const char *const bad[] = { "",
                                       "a",
                                       "//",
                                       "//evil.example",
                                       "/\\evil.example",
                                       "\\/x",
                                       "https://evil.example",
                                       "javascript:alert(1)",
                                       "/\t/evil",
                                       "/\n/evil",
                                       "/a\r\nSet-Cookie: x=1",
                                       "/a b",
                                       " /a",
                                       "/\xc3\xa9",
                                       "/a\\b",
                                       "\t//evil" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!pd_path_is_local(tight(good[i], false)))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pd_path_is_local(tight(bad[i], false)))
            fail_msg("accepted: %s", bad[i]);
    for (int c = 0; c < 256; c++) {
        char target[3] = { '/', 'a', (char)c };
        assert_int_equal(pd_path_is_local(pd_str_n(target, 3)), c > ' ' && c < 0x7f && c != '\\');
    }
}

static void a_component_is_encoded_so_that_it_reads_back(void **state)
{
    (void)state;
    struct pd_buf b;
    pd_buf_init(&b, &arena, 4096);
    char all[255];
    for (int i = 0; i < 127; i++)
        all[i] = (char)(i + 1);
    pd_component_put(&b, pd_str_n(all, 127));
    pd_str back;
    assert_true(pd_component_decode(&arena, pd_buf_str(&b), &back));
    assert_true(pd_str_eq(back, pd_str_n(all, 127)));
}

/* --- urlencoded ----------------------------------------------------------------------------------
 */

static void every_byte_is_encoded_or_unreserved(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        struct pd_buf b;
        char byte = (char)c, want[8];
        bool bare = c < 0x80 && (isalnum(c) || (c && strchr("-._~/", c)));
        pd_buf_init(&b, &arena, 16);
        pd_component_put(&b, pd_str_n(&byte, 1));
        snprintf(want, sizeof want, bare ? "%c" : "%%%02X", c);
        assert_str(pd_buf_str(&b), want);
    }
}

static void a_component_is_a_slice_or_has_room_of_its_own(void **state)
{
    (void)state;
    pd_str plain = PD_STR("plain"), out, both[2];
    assert_true(pd_component_decode(&arena, plain, &out) && out.ptr == plain.ptr);
    for (size_t len = 1; len < 40; len++) {
        char raw[40], want[40] = "";
        memset(raw, '+', len);
        memset(want, ' ', len);
        assert_true(pd_component_decode(&arena, pd_str_n(raw, len), &both[0]));
        raw[0] = want[0] = 'a';
        assert_true(pd_component_decode(&arena, pd_str_n(raw, len), &both[1]));
        assert_str(both[1], want);
        want[0] = ' ';
        assert_str(both[0], want);
    }
}

static void fields_are_read_in_order(void **state)
{
    (void)state;
    struct pd_pairs p;
    assert_int_equal(
        pd_urlencoded_read(&arena, PD_STR("a=1&b=two+words&&c&%64=%26%3D&e=x=y&f="), &p), PD_OK);
    static const char *const want[][2] = { { "a", "1" },  { "b", "two words" }, { "c", "" },
                                           { "d", "&=" }, { "e", "x=y" },       { "f", "" } };
    assert_int_equal(p.n, 6);
    for (unsigned i = 0; i < p.n; i++) {
        assert_str(p.at[i].name, want[i][0]);
        assert_str(p.at[i].value, want[i][1]);
    }
    assert_int_equal(pd_urlencoded_read(&arena, PD_STR_NULL, &p), PD_OK);
    assert_int_equal(p.n, 0);
}

static void broken_fields_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "a=%",   "a=%4",     "a=%zz",  "%=1",
                                       "a=%00", "a=%c0%af", "a=\xff", "a=1&b=%e2%82" };
    struct pd_pairs p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pd_urlencoded_read(&arena, pd_str_c(bad[i]), &p) != PD_ESYNTAX || p.n != 0)
            fail_msg("accepted: %s", bad[i]);
}

static void the_number_and_names_of_fields_are_limited(void **state)
{
    (void)state;
    struct pd_buf b;
    struct pd_pairs p;
    pd_buf_init(&b, &arena, 1 << 16);
    for (int i = 0; i < PD_PAIRS_MAX; i++)
        pd_buf_put(&b, i ? PD_STR("&a=1") : PD_STR("a=1"));
    assert_int_equal(pd_urlencoded_read(&arena, pd_buf_str(&b), &p), PD_OK);
    assert_int_equal(p.n, PD_PAIRS_MAX);
    pd_buf_put(&b, PD_STR("&a=1"));
    assert_int_equal(pd_urlencoded_read(&arena, pd_buf_str(&b), &p), PD_ETOOBIG);
    pd_buf_reset(&b);
    for (int i = 0; i < PD_PAIRS_MAX; i++) /* what is empty is no field */
        pd_buf_put(&b, PD_STR("&&a"));
    assert_int_equal(pd_urlencoded_read(&arena, pd_buf_str(&b), &p), PD_OK);
    assert_int_equal(p.n, PD_PAIRS_MAX);
    pd_buf_put(&b, PD_STR("&a"));
    assert_int_equal(pd_urlencoded_read(&arena, pd_buf_str(&b), &p), PD_ETOOBIG);
    pd_buf_reset(&b);
    for (int i = 0; i < PD_PAIR_NAME_MAX; i++)
        pd_buf_put_c(&b, 'n');
    assert_int_equal(pd_urlencoded_read(&arena, pd_buf_str(&b), &p), PD_OK);
    pd_buf_put_c(&b, 'n');
    assert_int_equal(pd_urlencoded_read(&arena, pd_buf_str(&b), &p), PD_ETOOBIG);
}

static void one_value_of_a_query(void **state)
{
    (void)state;
    pd_str q = PD_STR("x=%zz&a=1&a=2&b=c+d&e");
    assert_str(pd_urlencoded_get(&arena, q, PD_STR("a")), "1");
    assert_str(pd_urlencoded_get(&arena, q, PD_STR("b")), "c d");
    assert_false(pd_str_is_null(pd_urlencoded_get(&arena, q, PD_STR("e"))));
    assert_true(pd_str_is_null(pd_urlencoded_get(&arena, q, PD_STR("x"))));
    assert_true(pd_str_is_null(pd_urlencoded_get(&arena, q, PD_STR("absent"))));
    assert_true(pd_str_is_null(pd_urlencoded_get(&arena, PD_STR_NULL, PD_STR("a"))));
}

/* --- multipart ------------------------------------------------------------------------ */

#define TYPE "multipart/form-data; boundary=XyZ"
#define PART(name, content)                                                                        \
    "--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" content "\r\n"

static void parts_are_read_and_files_passed_over(void **state)
{
    (void)state;
    struct pd_pairs p;
    pd_str body = PD_STR(PART("a", "1") PART(
        "b c", "line\r\n--not\r\nend") "--XyZ\r\nContent-Disposition: "
                                       "form-data; name=\"f\"; filename=\"x.png\"\r\nContent-Type: "
                                       "image/png\r\n\r\n\x89\xff\0\r\n" PART("e",
                                                                              "") "--XyZ--\r\n");
    assert_int_equal(pd_multipart_read(&arena, PD_STR(TYPE), body, &p), PD_OK);
    assert_int_equal(p.n, 3);
    assert_str(p.at[0].value, "1");
    assert_str(p.at[1].name, "b c");
    assert_str(p.at[1].value, "line\r\n--not\r\nend");
    assert_str(p.at[2].name, "e");
    assert_str(p.at[2].value, "");
    assert_int_equal(pd_multipart_read(&arena, PD_STR(TYPE), PD_STR("--XyZ--\r\n"), &p), PD_OK);
    assert_int_equal(p.n, 0);
}

static void broken_multipart_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "--XyZ",
        "--XyZ\r\n",
        "preamble\r\n" PART("a", "1") "--XyZ--",
        PART("a", "1"),
        PART("a", "1") "--XyZ--epilogue",
        PART("a", "1") "--XyZ",
        PART("a", "1") "--XyZx\r\n",
        "--XyZ\r\nno colon\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Type: text/plain\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-datas; name=\"a\"\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\nX: y\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\nX\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--XyZ--",
        "--XyZ\nContent-Disposition: form-data; name=\"a\"\n\nx\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; "
        "name=\"b\"\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data; name=a\\b\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nContent-Disposition: form-data; name\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nX: y\r\n\r\n",
        PART("a", "1") "--XyZ--\r\n\r\n",
        "--XyZrubbish\r\n",
        PART("a", "\xff") "--XyZ--",
        PART("\xff", "1") "--XyZ--",
    };
    struct pd_pairs p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pd_multipart_read(&arena, PD_STR(TYPE), pd_str_c(bad[i]), &p) != PD_ESYNTAX || p.n)
            fail_msg("accepted: %s", bad[i]);
    pd_str nul = PD_STR(PART("a", "1\0") "--XyZ--");
    assert_int_equal(pd_multipart_read(&arena, PD_STR(TYPE), nul, &p), PD_ESYNTAX);
    pd_str good = PD_STR(PART("a", "1") "--XyZ--");
    assert_int_equal(pd_multipart_read(&arena, PD_STR("multipart/form-data"), good, &p),
                     PD_ESYNTAX);
    struct pd_buf b;
    pd_buf_init(&b, &arena, 1 << 20);
    for (int i = 0; i <= PD_PAIRS_MAX; i++)
        pd_buf_put(&b, PD_STR(PART("a", "1")));
    pd_buf_put(&b, PD_STR("--XyZ--"));
    assert_int_equal(pd_multipart_read(&arena, PD_STR(TYPE), pd_buf_str(&b), &p), PD_ETOOBIG);
}

static pd_err read_part(const char *before, size_t name, const char *behind, struct pd_pairs *p)
{
    struct pd_buf b;
    pd_buf_init(&b, &arena, 1 << 20);
    pd_buf_put(&b, pd_str_c(before));
    for (size_t i = 0; i < name; i++)
        pd_buf_put_c(&b, 'a');
    pd_buf_put(&b, pd_str_c(behind));
    return pd_multipart_read(&arena, PD_STR(TYPE), pd_buf_str(&b), p);
}

static void a_part_needs_no_blanks(void **state)
{
    (void)state;
    struct pd_pairs p;
    pd_str body = PD_STR("--XyZ\r\ncontent-disposition:form-data;name=a\r\n\r\n1\r\n--XyZ--");
    assert_int_equal(pd_multipart_read(&arena, PD_STR(TYPE), body, &p), PD_OK);
    assert_int_equal(p.n, 1);
    assert_str(p.at[0].name, "a");
    assert_str(p.at[0].value, "1");
}

static void other_lines_of_a_part_are_passed_over(void **state)
{
    (void)state;
    struct pd_pairs p;
    pd_str body = PD_STR("--XyZ\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; "
                         "name=a\r\nX: y\r\n\r\n1\r\n--XyZ--");
    assert_int_equal(pd_multipart_read(&arena, PD_STR(TYPE), body, &p), PD_OK);
    assert_int_equal(p.n, 1);
    assert_str(p.at[0].name, "a");
}

static void the_limits_of_a_multipart_form(void **state)
{
    (void)state;
    static const char *const before = "--XyZ\r\nContent-Disposition: form-data; name=\"",
                             *const behind = "\"\r\n\r\nx\r\n--XyZ--";
    struct pd_pairs p;
    assert_int_equal(read_part(before, PD_PAIR_NAME_MAX, behind, &p), PD_OK);
    assert_int_equal(p.n, 1);
    assert_int_equal(read_part(before, PD_PAIR_NAME_MAX + 1, behind, &p), PD_ETOOBIG);
    assert_int_equal(p.n, 0);
    static const char *const head = "--XyZ\r\nContent-Disposition: form-data; name=b\r\nX: ";
    size_t room = PD_PART_HEAD_MAX - (strlen(head) - strlen("--XyZ\r\n"));
    assert_int_equal(read_part(head, room, "\r\n\r\nx\r\n--XyZ--", &p), PD_OK);
    assert_int_equal(read_part(head, room + 1, "\r\n\r\nx\r\n--XyZ--", &p), PD_ESYNTAX);
}

/* Files count as parts. */
static void the_number_of_parts_is_limited(void **state)
{
    (void)state;
    static const char *const file =
        "--XyZ\r\nContent-Disposition: form-data; name=f; filename=g\r\n\r\n\r\n";
    struct pd_pairs p;
    for (int over = 0; over < 2; over++) {
        struct pd_buf b;
        pd_buf_init(&b, &arena, 1 << 20);
        for (int i = 0; i < 2 * PD_PAIRS_MAX + over; i++)
            pd_buf_put(&b, pd_str_c(file));
        pd_buf_put(&b, PD_STR("--XyZ--"));
        assert_int_equal(pd_multipart_read(&arena, PD_STR(TYPE), pd_buf_str(&b), &p),
                         over ? PD_ETOOBIG : PD_OK);
    }
}

static void a_boundary_has_1_to_70_bytes(void **state)
{
    (void)state;
    for (int len = 0; len <= 71; len++) {
        char boundary[72] = "";
        struct pd_pairs p;
        memset(boundary, 'b', (size_t)len);
        pd_str type = pd_str_fmt(&arena, "multipart/form-data; boundary=\"%s\"", boundary);
        pd_str body =
            pd_str_fmt(&arena, "--%s\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--%s--",
                       boundary, boundary);
        assert_int_equal(pd_multipart_read(&arena, type, body, &p),
                         len >= 1 && len <= 70 ? PD_OK : PD_ESYNTAX);
    }
}

static void no_cut_of_a_form_is_read_beyond_its_end(void **state)
{
    (void)state;
    pd_str whole = PD_STR(PART("a", "1") PART("b", "22") "--XyZ--\r\n");
    for (size_t n = 0; n <= whole.len; n++) { /* each on a heap of its own: ASan sees an overrun */
        char *cut = malloc(n + !n);
        memcpy(cut, whole.ptr, n);
        struct pd_pairs p;
        pd_err e = pd_multipart_read(&arena, PD_STR(TYPE), pd_str_n(cut, n), &p);
        assert_int_equal(e == PD_OK, n == whole.len || n == whole.len - 2);
        free(cut);
    }
}

static void header_parameters(void **state)
{
    (void)state;
    pd_str v = PD_STR("form-data; name=\"a;b\"; other=tok ;Third=3");
    assert_str(pd_header_param(v, PD_STR("name")), "a;b");
    assert_str(pd_header_param(v, PD_STR("OTHER")), "tok");
    assert_str(pd_header_param(v, PD_STR("third")), "3");
    assert_str(pd_header_param(PD_STR("x; a=\"Qq\""), PD_STR("a")), "Qq");
    assert_true(pd_str_is_null(pd_header_param(PD_STR("x; a=\"b\0c\""), PD_STR("a"))));
    assert_true(pd_str_is_null(pd_header_param(v, PD_STR("form-data"))));
    assert_true(pd_str_is_null(pd_header_param(PD_STR("x; a=\"\\\"\""), PD_STR("a"))));
    assert_true(pd_str_is_null(pd_header_param(PD_STR("x; a"), PD_STR("a"))));
    static const char *const cut[] = {
        "x;", "x; ", "x; a", "x; a=", "x; a=\"", "x; a=\"b", "x; a=b"
    };
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++)
        pd_header_param(tight(cut[i], false), PD_STR("a"));
    assert_str(pd_header_param(tight("x; a=", false), PD_STR("a")), "");
    assert_true(pd_str_is_null(pd_header_param(tight("x; a=\"", false), PD_STR("a"))));
    assert_str(pd_header_param(tight("x; a=\"\"", false), PD_STR("a")), "");
    assert_str(pd_header_param(tight("x; a=b", false), PD_STR("a")), "b");
}

/* Whatever comes, what is read is text inside the limits; ASan watches the edges. */
static void random_input_is_refused_or_clean(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "--XyZ",    "\r\n",       "--",
        "a",        "=",          "&",
        "%",        "%41",        "%00",
        "%c3%a9",   "+",          "\"",
        ";",        ":",          "/",
        "..",       "\xff",       "\\",
        "\r\n\r\n", "filename=x", "Content-Disposition: form-data; name=",
    };
    uint64_t seed = seed_of_run();
    for (int round = 0; round < 20000; round++) {
        char text[512];
        size_t n = 0;
        for (unsigned k = draw(&seed, 12); k > 0; k--) {
            pd_str piece = pd_str_c(pieces[draw(&seed, sizeof pieces / sizeof pieces[0])]);
            memcpy(text + n, piece.ptr, piece.len);
            n += piece.len;
        }
        char *heap = malloc(n + !n);
        memcpy(heap, text, n);
        pd_str s = pd_str_n(heap, n), path;
        struct pd_pairs p[2];
        bool read[2] = { pd_urlencoded_read(&arena, s, &p[0]) == PD_OK,
                         pd_multipart_read(&arena, PD_STR(TYPE), s, &p[1]) == PD_OK };
        for (int k = 0; k < 2; k++) {
            assert_true(read[k] || p[k].n == 0);
            for (unsigned i = 0; i < p[k].n; i++)
                assert_true(pd_str_is_utf8(p[k].at[i].name) && pd_str_is_utf8(p[k].at[i].value));
        }
        if (pd_path_normalise(&arena, s, &path))
            assert_true(pd_str_is_utf8(path) && pd_str_find(path, '\\') == PD_NPOS);
        pd_cookie_find(s, PD_STR("a"));
        pd_header_param(s, PD_STR("name"));
        free(heap);
        pd_arena_reset(&arena);
    }
}

/* --- cookies -------------------------------------------------------------------------- */

static void cookies_are_found(void **state)
{
    (void)state;
    pd_str h = PD_STR("a=1; bb=2;c=3 ; flag; aa=; a=9; d=x=y");
    assert_str(pd_cookie_find(h, PD_STR("a")), "1");
    assert_str(pd_cookie_find(h, PD_STR("bb")), "2");
    assert_str(pd_cookie_find(h, PD_STR("c")), "3");
    assert_str(pd_cookie_find(h, PD_STR("aa")), "");
    assert_str(pd_cookie_find(h, PD_STR("d")), "x=y");
    assert_true(pd_str_is_null(pd_cookie_find(h, PD_STR("b"))));
    assert_true(pd_str_is_null(pd_cookie_find(h, PD_STR("flag"))));
    assert_true(pd_str_is_null(pd_cookie_find(PD_STR_NULL, PD_STR("a"))));
    assert_true(pd_str_is_null(pd_cookie_find(tight("a", false), PD_STR("a"))));
    assert_true(pd_str_is_null(pd_cookie_find(pd_str_n("a=1", 1), PD_STR("a"))));
    assert_str(pd_cookie_find(tight("a=", false), PD_STR("a")), "");
}

static void cookies_are_written(void **state)
{
    (void)state;
    struct pd_buf b;
    pd_buf_init(&b, &arena, 4096);
    pd_cookie_put(&b, &(struct pd_cookie){ PD_STR("s"), PD_STR("v"), 60, false });
    assert_str(pd_buf_str(&b), "Set-Cookie: s=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60\r\n");
    pd_buf_reset(&b);
    pd_cookie_put(&b, &(struct pd_cookie){ PD_STR("s"), PD_STR("v"), 60, true });
    assert_str(pd_buf_str(&b), "Set-Cookie: __Host-s=v; Path=/; HttpOnly; SameSite=Lax; "
                               "Max-Age=60; Secure\r\n");
    pd_buf_reset(&b);
    char value[400];
    memset(value, 'v', sizeof value);
    pd_cookie_put(&b, &(struct pd_cookie){ PD_STR("s"), pd_str_n(value, sizeof value), 60, true });
    assert_true(!b.failed && b.len > sizeof value && b.len <= b.cap);
    pd_buf_init(&b, &arena, 100); /* whole or not at all */
    pd_cookie_put(&b, &(struct pd_cookie){ PD_STR("s"), PD_STR("v"), 60, true });
    assert_true(b.failed && b.len == 0);
    pd_buf_init(&b, &arena, 4096);
    pd_cookie_put(&b, &(struct pd_cookie){ .name = PD_STR("s"), .max_age_s = 60 });
    assert_str(pd_buf_str(&b), "Set-Cookie: s=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0\r\n");
}

static void put_value(void *byte)
{
    struct pd_buf b;
    char value[] = { 'v', *(const char *)byte };
    pd_buf_init(&b, &arena, 4096);
    pd_cookie_put(&b, &(struct pd_cookie){ .name = PD_STR("s"), .value = pd_str_n(value, 2) });
}

static void put_name(void *byte)
{
    struct pd_buf b;
    pd_buf_init(&b, &arena, 4096);
    pd_cookie_put(&b, &(struct pd_cookie){ .name = pd_str_n(byte, 1) });
}

static void only_cookie_characters_are_written(void **state)
{
    (void)state;
    static const char bad[] = "\1\t\r\n \",;\\=\x7f\x80\xff", good[] = "!#+-./09:AZ[_az~";
    for (size_t i = 0; i < sizeof bad; i++) { /* the NUL, too */
        char byte = bad[i];
        if (!aborts(put_value, &byte) || !aborts(put_name, &byte))
            fail_msg("written: byte 0x%02x", (unsigned char)byte);
    }
    for (size_t i = 0; i < sizeof good - 1; i++) {
        char byte = good[i];
        put_value(&byte);
        put_name(&byte);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, arena_up, arena_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_path_is_decoded_once),
        T(an_ambiguous_path_is_refused),
        T(every_byte_of_a_long_path_is_judged),
        T(a_dot_segment_of_a_long_path_is_seen),
        T(nothing_behind_a_path_is_read),
        T(only_local_targets_are_local),
        T(a_component_is_encoded_so_that_it_reads_back),
        T(every_byte_is_encoded_or_unreserved),
        T(a_component_is_a_slice_or_has_room_of_its_own),
        T(fields_are_read_in_order),
        T(broken_fields_are_refused),
        T(the_number_and_names_of_fields_are_limited),
        T(one_value_of_a_query),
        T(parts_are_read_and_files_passed_over),
        T(broken_multipart_is_refused),
        T(a_part_needs_no_blanks),
        T(other_lines_of_a_part_are_passed_over),
        T(the_limits_of_a_multipart_form),
        T(the_number_of_parts_is_limited),
        T(a_boundary_has_1_to_70_bytes),
        T(no_cut_of_a_form_is_read_beyond_its_end),
        T(header_parameters),
        T(random_input_is_refused_or_clean),
        T(cookies_are_found),
        T(cookies_are_written),
        T(only_cookie_characters_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
