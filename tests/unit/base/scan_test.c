/* pd_scan: it skips only what the test does not hit, never reads outside, and finds the first hit
 * wherever it lies. */
#include "base/put.h"
#include "base/scan.h"
#include "base_test.h"
#include <stdlib.h>

static pd_bytes16 is_mark(pd_bytes16 x)
{
    return (pd_bytes16)(x == '?');
}

/* What every caller does: a scan and then its own loop. */
static size_t find(const char *start, const char *at, const char *end)
{
    const char *hit = pd_scan(start, at, end, is_mark);
    assert_true(hit >= at && hit <= end);
    for (const char *p = at; p < hit; p++)
        assert_true(*p != '?');
    while (hit < end && *hit != '?')
        hit++;
    return (size_t)(hit - at);
}

/* Text of its own exact size, so that AddressSanitizer sees a byte too many. */
static void check(size_t before, size_t n, size_t mark)
{
    char *text = malloc(before + n + 1);
    memset(text, '?', before); /* what lies before does not count */
    memset(text + before, 'x', n);
    text = realloc(text, before + n ? before + n : 1);
    if (mark < n)
        text[before + mark] = '?';
    if (mark + 3 < n)
        text[before + mark + 3] = '?'; /* the first one counts */
    assert_int_equal(find(text, text + before, text + before + n), mark < n ? mark : n);
    assert_int_equal(find(text + before, text + before, text + before + n), mark < n ? mark : n);
    free(text);
}

static void test_the_first_hit_is_found(void **state)
{
    (void)state;
    for (size_t before = 0; before < 20; before++)
        for (size_t n = 0; n < 50; n++)
            for (size_t mark = 0; mark <= n; mark++)
                check(before, n, mark);
}

static pd_bytes16 hits_high(pd_bytes16 x)
{
    return (pd_bytes16)((x < ' ') | (x >= 0x7f));
}

static void test_comparisons_are_of_unsigned_bytes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[16];
        memset(text, 'x', sizeof text);
        text[5] = (char)c;
        const char *hit = pd_scan(text, text, text + 16, hits_high);
        if (c >= ' ' && c < 0x7f)
            assert_true(hit == text + 16 || hit == text); /* text: no vectors on this machine */
        else
            assert_true(hit == text + 5 || hit == text);
    }
}

static void test_outside_is_all_but_the_range(void **state)
{
    (void)state;
    for (int least = 1; least < '~'; least++)
        for (int c = 0; c < 256; c++) {
            pd_bytes16 x = { 0 };
            x += (uint8_t)c;
            pd_bytes16 hit = pd_bytes_outside(x, (char)least);
            assert_int_equal(hit[0], c >= least && c <= '~' ? 0 : 0xff);
            assert_int_equal(hit[15], hit[0]);
        }
}

static void test_put_writes_text_and_numbers(void **state)
{
    (void)state;
    static const uint64_t numbers[] = { 0,   1,    9,    10,    11,     99,         100,       101,
                                        999, 1000, 9999, 10000, 123456, 4294967296, UINT64_MAX };
    char have[64], want[64];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t n = (size_t)(pd_put_u64(have, numbers[i]) - have);
        assert_int_equal(n, snprintf(want, sizeof want, "%llu", (unsigned long long)numbers[i]));
        assert_memory_equal(have, want, n);
    }
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t n = 0; n <= 26; n++) {
        memset(have, '.', sizeof have);
        assert_true(pd_put(have, pd_str_n(text, n)) == have + n);
        assert_memory_equal(have, text, n);
        assert_int_equal(have[n], '.');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_hit_is_found),
        cmocka_unit_test(test_comparisons_are_of_unsigned_bytes),
        cmocka_unit_test(test_outside_is_all_but_the_range),
        cmocka_unit_test(test_put_writes_text_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
