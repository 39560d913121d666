/* Tests of http/chunk.h: verdicts, data, and that no split of the bytes changes either. */
#include "http/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"

#define RAW(s) s, sizeof(s) - 1

static const struct chunk_case {
    const char *reason, *in;
    size_t n;
    enum pd_chunk_step verdict;
    const char *data;
    size_t rest; /* bytes behind the end */
} cases[] = {
    { "one chunk", RAW("5\r\nhello\r\n0\r\n\r\n"), PD_CHUNK_END, "hello", 0 },
    { "two chunks and the next message", RAW("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET"), PD_CHUNK_END,
      "abcde", 3 },
    { "no data", RAW("0\r\n\r\n"), PD_CHUNK_END, "", 0 },
    { "hex in both cases", RAW("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), PD_CHUNK_END,
      "01234567890123456789", 0 },
    { "leading zeros", RAW("0000000000000003\r\nabc\r\n000\r\n\r\n"), PD_CHUNK_END, "abc", 0 },
    { "data may be anything", RAW("4\r\n\r\n\r\n\r\n0\r\n\r\n"), PD_CHUNK_END, "\r\n\r\n", 0 },
    { "extension", RAW("3;a\r\nabc\r\n0\r\n\r\n"), PD_CHUNK_END, "abc", 0 },
    { "extension with value", RAW("3;a=b;c=d\r\nabc\r\n0;x\r\n\r\n"), PD_CHUNK_END, "abc", 0 },
    { "extension with quotes", RAW("3;a=\"b;\\\"c\"\r\nabc\r\n0\r\n\r\n"), PD_CHUNK_END, "abc", 0 },
    { "trailer", RAW("3\r\nabc\r\n0\r\nX-A: b\r\nY:\r\n\r\n"), PD_CHUNK_END, "abc", 0 },
    { "unfinished size", RAW("5"), PD_CHUNK_MORE, "", 0 },
    { "unfinished data", RAW("5\r\nhel"), PD_CHUNK_MORE, "hel", 0 },
    { "unfinished end", RAW("0\r\n"), PD_CHUNK_MORE, "", 0 },
    { "the second chunk's size may have as many digits",
      RAW("1\r\na\r\n0000000000000001\r\nb\r\n0\r\n\r\n"), PD_CHUNK_END, "ab", 0 },
    { "no size behind a chunk", RAW("1\r\na\r\n\r\n\r\n"), PD_CHUNK_BAD, "a", 0 },
    { "17 digits", RAW("00000000000000003\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "size of 2^63", RAW("8000000000000000\r\n"), PD_CHUNK_BAD, "", 0 },
    { "size of 2^64 + 3", RAW("10000000000000003\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "no size", RAW("\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "plus", RAW("+3\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "minus", RAW("-3\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "nine", RAW("9\r\nabcdefghi\r\n0\r\n\r\n"), PD_CHUNK_END, "abcdefghi", 0 },
    { "behind nine", RAW(":\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "the greatest size", RAW("7fffffffffffffff\r\nabc"), PD_CHUNK_MORE, "abc", 0 },
    { "before the capital letters", RAW("@\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "before the small letters", RAW("`\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "behind the capital letters", RAW("G\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "behind the small letters", RAW("g\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "0x", RAW("0x3\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "underscore", RAW("1_0\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "leading space", RAW(" 3\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "trailing space", RAW("3 \r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "trailing tab", RAW("3\t\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "space before extension", RAW("3 ;a\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "bare semicolon", RAW("3;\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "two semicolons", RAW("3;;a\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "extension without name", RAW("3;=b\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "extension without value", RAW("3;a=\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "space in an extension", RAW("3;a b\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "NUL in an extension", RAW("3;a\0\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "CR in an extension", RAW("3;a\rb\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "LF in an extension", RAW("3;a\nabc"), PD_CHUNK_BAD, "", 0 },
    { "LF in quotes", RAW("3;a=\"\n\"\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "rubbish behind quotes", RAW("3;a=\"b\"c\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "LF behind the size", RAW("3\nabc"), PD_CHUNK_BAD, "", 0 },
    { "CR behind the size", RAW("3\rabc"), PD_CHUNK_BAD, "", 0 },
    { "CR CR LF", RAW("3\r\r\nabc"), PD_CHUNK_BAD, "", 0 },
    { "spilling data", RAW("3\r\nabcd\r\n"), PD_CHUNK_BAD, "abc", 0 },
    { "no CRLF behind data", RAW("3\r\nabc0\r\n\r\n"), PD_CHUNK_BAD, "abc", 0 },
    { "LF behind data", RAW("3\r\nabc\n0\r\n\r\n"), PD_CHUNK_BAD, "abc", 0 },
    { "LF at the end", RAW("0\r\n\n"), PD_CHUNK_BAD, "", 0 },
    { "trailer without colon", RAW("0\r\nX\r\n\r\n"), PD_CHUNK_BAD, "", 0 },
    { "trailer with space before colon", RAW("0\r\nX : y\r\n\r\n"), PD_CHUNK_BAD, "", 0 },
    { "folded trailer", RAW("0\r\nX: y\r\n z\r\n\r\n"), PD_CHUNK_BAD, "", 0 },
    { "NUL in a trailer", RAW("0\r\nX: \0\r\n\r\n"), PD_CHUNK_BAD, "", 0 },
    { "bare LF in a trailer", RAW("0\r\nX: y\n\r\n"), PD_CHUNK_BAD, "", 0 },
};

struct outcome {
    char data[64 << 10];
    size_t len, used;
    enum pd_chunk_step verdict;
};

/* Feeds in[0, n) in pieces that end at cut and n; each piece in memory of its own. */
static void decode(const char *in, size_t n, size_t cut, struct outcome *out)
{
    struct pd_chunk c = { 0 };
    size_t ends[] = { cut, n }, at = 0;
    out->len = out->used = 0;
    for (int i = 0; i < 2; i++) {
        size_t left = ends[i] - at;
        const char *p = guarded_at(in + at, left, cut % 2);
        at = ends[i];
        do {
            size_t used;
            pd_str data = PD_STR_NULL;
            out->verdict = pd_chunk_feed(&c, p, left, &used, &data);
            assert_true(used <= left);
            if (out->verdict == PD_CHUNK_DATA) {
                memcpy(out->data + out->len, data.ptr, data.len);
                out->len += data.len;
            }
            p += used, left -= used, out->used += used;
        } while (out->verdict == PD_CHUNK_DATA);
        if (out->verdict != PD_CHUNK_MORE)
            return;
        assert_int_equal(left, 0);
    }
}

static struct outcome got;

static void every_split_of_every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t cut = 0; cut <= cases[i].n; cut++) {
            decode(cases[i].in, cases[i].n, cut, &got);
            if (got.verdict != cases[i].verdict)
                fail_msg("%s, cut at %zu: verdict %d, want %d", cases[i].reason, cut,
                         (int)got.verdict, (int)cases[i].verdict);
            assert_int_equal(got.len, strlen(cases[i].data));
            assert_memory_equal(got.data, cases[i].data, got.len);
            if (got.verdict == PD_CHUNK_END)
                assert_int_equal(got.used, cases[i].n - cases[i].rest);
        }
    }
}

static void extensions_and_trailers_are_bounded(void **state)
{
    (void)state;
    static char in[64 << 10];
    size_t n = 0;
    for (int i = 0; i < 500; i++) /* 4,500 bytes of extensions in many chunks */
        n += (size_t)snprintf(in + n, sizeof in - n, "1;abcd=efg\r\nx\r\n");
    decode(in, n, 0, &got);
    assert_int_equal(got.verdict, PD_CHUNK_BAD);
    n = (size_t)snprintf(in, sizeof in, "0\r\n");
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(in + n, sizeof in - n, "X-%05d: y\r\n", i);
    decode(in, n, 0, &got);
    assert_int_equal(got.verdict, PD_CHUNK_BAD);
}

/* `fill` bytes between two texts. */
static enum pd_chunk_step filled(const char *before, size_t fill, const char *behind)
{
    static char in[16 << 10];
    size_t n = strlen(before), m = strlen(behind);
    memcpy(in, before, n);
    memset(in + n, 'a', fill);
    memcpy(in + n + fill, behind, m);
    decode(in, n + fill + m, 0, &got);
    return got.verdict;
}

static void the_bounds_hold_to_the_byte(void **state)
{
    (void)state;
    /* An extension's bytes and its CR; a trailer's lines and the empty one. */
    assert_int_equal(filled("1;", 4095, "\r\nx\r\n0\r\n\r\n"), PD_CHUNK_END);
    assert_int_equal(filled("1;", 4096, "\r\nx\r\n0\r\n\r\n"), PD_CHUNK_BAD);
    assert_int_equal(filled("0\r\nX:", 8192 - 6, "\r\n\r\n"), PD_CHUNK_END);
    assert_int_equal(filled("0\r\nX:", 8192 - 5, "\r\n\r\n"), PD_CHUNK_BAD);
}

static void data_is_not_copied(void **state)
{
    (void)state;
    static const char in[] = "5\r\nhello\r\n";
    struct pd_chunk c = { 0 };
    size_t used;
    pd_str data;
    assert_int_equal(pd_chunk_feed(&c, in, sizeof in - 1, &used, &data), PD_CHUNK_DATA);
    assert_ptr_equal(data.ptr, in + 3);
    assert_int_equal(used, 8);
}

static void what_a_chunk_announces_is_known_before_its_data(void **state)
{
    (void)state;
    struct pd_chunk c = { 0 };
    size_t used;
    pd_str data;
    assert_int_equal(pd_chunk_feed(&c, "5", 1, &used, &data), PD_CHUNK_MORE);
    assert_int_equal(pd_chunk_announced(&c), 0); /* the size may go on */
    assert_int_equal(pd_chunk_feed(&c, "0\r\n", 3, &used, &data), PD_CHUNK_MORE);
    assert_int_equal(pd_chunk_announced(&c), 0x50);
    assert_int_equal(pd_chunk_feed(&c, "hello", 5, &used, &data), PD_CHUNK_DATA);
    assert_int_equal(pd_chunk_announced(&c), 0x4b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_of_every_case),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(the_bounds_hold_to_the_byte),
        cmocka_unit_test(data_is_not_copied),
        cmocka_unit_test(what_a_chunk_announces_is_known_before_its_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
