/* Tests of what decides whom to believe: seal.h, csrf.h, proxies.h, and assets.h's negotiation. */
#include "web/assets.h"
#include "web/csrf.h"
#include "web/proxies.h"
#include "web/seal.h"
#include "web_test.h"

#include <sodium.h>

#define OLD "old-secret-old-secret-old-secret-old"
#define NEW "new-secret-new-secret-new-secret-new"
#define NOW (1000 * PD_DAY)

static struct pd_sealer sealer(const char *secrets, const char *purpose)
{
    struct pd_keys k;
    struct pd_sealer s;
    assert_int_equal(pd_keys_init(&k, pd_str_c(secrets)), PD_OK);
    pd_sealer_init(&s, &k, pd_str_c(purpose));
    return s;
}

static bool opens(const struct pd_sealer *s, pd_str sealed)
{
    pd_str plain;
    return pd_sealer_open(s, &arena, sealed, NOW, 0, &plain, NULL);
}

static void what_is_sealed_opens_again(void **state)
{
    (void)state;
    struct pd_sealer s = sealer(OLD, "cursor");
    pd_str plain, with_nul = PD_STR("a\0b");
    pd_time made;
    pd_str sealed = pd_sealer_seal(&s, &arena, with_nul, NOW + 0x1234567);
    assert_true(pd_sealer_open(&s, &arena, sealed, NOW + 0x1234569, 0, &plain, &made));
    assert_true(pd_str_eq(plain, with_nul));
    assert_int_equal(made, NOW + 0x1234567);
    pd_str empty = pd_sealer_seal(&s, &arena, PD_STR_NULL, NOW);
    assert_true(pd_sealer_open(&s, &arena, empty, NOW, 0, &plain, NULL));
    assert_int_equal(plain.len, 0);
    assert_false(pd_str_eq(empty, pd_sealer_seal(&s, &arena, PD_STR_NULL, NOW))); /* fresh nonce */
}

static void any_change_makes_it_fail(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct pd_sealer s = sealer(OLD, "session");
    pd_str sealed = pd_sealer_seal(&s, &arena, PD_STR("user 42"), NOW);
    for (size_t i = 0; i < sealed.len; i++) {
        for (size_t d = 0; d < sizeof digits - 1; d++) {
            pd_str changed = pd_str_dup(&arena, sealed);
            if (changed.ptr[i] == digits[d])
                continue;
            ((char *)(uintptr_t)changed.ptr)[i] = digits[d];
            if (opens(&s, changed))
                fail_msg("opens with byte %zu changed to %c", i, digits[d]);
        }
        assert_false(opens(&s, pd_str_sub(sealed, 0, i)));
        assert_false(opens(&s, pd_str_sub(sealed, i + 1, sealed.len)));
    }
    assert_false(opens(&s, pd_str_fmt(&arena, "%.*sA", PD_ARG(sealed))));
    assert_false(opens(&s, pd_str_fmt(&arena, "%.*s=", PD_ARG(sealed))));
    assert_true(opens(&s, sealed));
}

static void purposes_do_not_mix(void **state)
{
    (void)state;
    struct pd_sealer a = sealer(OLD, "cursor"), b = sealer(OLD, "session");
    assert_false(opens(&b, pd_sealer_seal(&a, &arena, PD_STR("x"), NOW)));
}

static void keys_rotate(void **state)
{
    (void)state;
    struct pd_sealer old = sealer(OLD, "s"), both = sealer(NEW "," OLD, "s"),
                     new = sealer(NEW, "s");
    assert_true(opens(&both, pd_sealer_seal(&old, &arena, PD_STR("x"), NOW)));
    assert_true(opens(&both, pd_sealer_seal(&both, &arena, PD_STR("x"), NOW)));
    struct pd_sealer spaced = sealer("  " NEW " ,\t" OLD " ", "s");
    assert_true(opens(&new, pd_sealer_seal(&spaced, &arena, PD_STR("x"), NOW)));
    assert_true(opens(&spaced, pd_sealer_seal(&old, &arena, PD_STR("x"), NOW)));
    assert_true(opens(&new, pd_sealer_seal(&both, &arena, PD_STR("x"), NOW))); /* first seals */
    assert_false(opens(&old, pd_sealer_seal(&both, &arena, PD_STR("x"), NOW)));
    assert_false(opens(&new, pd_sealer_seal(&old, &arena, PD_STR("x"), NOW)));
}

static void age_is_limited(void **state)
{
    (void)state;
    struct pd_sealer s = sealer(OLD, "link");
    pd_str plain, sealed = pd_sealer_seal(&s, &arena, PD_STR("x"), NOW);
    assert_true(pd_sealer_open(&s, &arena, sealed, NOW + PD_HOUR, PD_HOUR, &plain, NULL));
    assert_false(pd_sealer_open(&s, &arena, sealed, NOW + PD_HOUR + 1, PD_HOUR, &plain, NULL));
    assert_false(pd_sealer_open(&s, &arena, sealed, NOW - PD_HOUR, 0, &plain, NULL));  /* future */
    assert_true(pd_sealer_open(&s, &arena, sealed, NOW - PD_MINUTE, 0, &plain, NULL)); /* skew */
    assert_true(pd_sealer_open(&s, &arena, sealed, NOW - 5 * PD_MINUTE, 0, &plain, NULL));
    assert_false(pd_sealer_open(&s, &arena, sealed, NOW - 5 * PD_MINUTE - 1, 0, &plain, NULL));
    assert_true(pd_sealer_open(&s, &arena, sealed, NOW + 1, 1, &plain, NULL));
    assert_false(pd_sealer_open(&s, &arena, sealed, NOW + 2, 1, &plain, NULL));
}

static void short_and_missing_secrets_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "short", OLD ",short", ",", OLD "," NEW "," OLD };
    struct pd_keys k;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pd_keys_init(&k, pd_str_c(bad[i])), PD_ECONFIG);
        assert_non_null(strstr(pd_diag()->message, "SECRET_KEY"));
        assert_null(strstr(pd_diag()->message, "short,"));
    }
    assert_int_equal(pd_keys_init(&k, PD_STR_NULL), PD_ECONFIG);
}

/* --- csrf ---------------------------------------------------------------------------------------
 */

static void cross_site_writes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *site, *origin, *host;
        bool allowed;
    } cases[] = {
        { "same-origin", NULL, "a.example", true },
        { "none", NULL, "a.example", true },
        { "same-site", NULL, "a.example", false },
        { "cross-site", NULL, "a.example", false },
        { "", NULL, "a.example", false },
        { "Same-Origin", NULL, "a.example", false },
        { "same-origin, none", NULL, "a.example", false },
        { "cross-site", "https://a.example", "a.example", false }, /* the stronger one decides */
        { "same-origin", "https://b.example", "a.example", true },
        { NULL, "https://a.example", "a.example", true },
        { NULL, "http://a.example:8080", "a.example:8080", true },
        { NULL, "http://A.example", "a.example", true },
        { NULL, "https://a.example:444", "a.example", false },
        { NULL, "https://a.example.evil", "a.example", false },
        { NULL, "https://evil.example", "a.example", false },
        { NULL, "https://evil/a.example", "a.example", false },
        { NULL, "a.example", "a.example", false },
        { NULL, "null", "a.example", false },
        { NULL, "", "a.example", false },
        { NULL, "https://", "", false },
        { NULL, NULL, "a.example", true }, /* not a browser */
    };
    static const enum pd_method unsafe[] = { PD_POST, PD_PUT, PD_PATCH, PD_DELETE,
                                             PD_METHOD_OTHER };
    static const enum pd_method safe[] = { PD_GET, PD_HEAD, PD_OPTIONS };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pd_str site = pd_str_c(cases[i].site), origin = pd_str_c(cases[i].origin);
        pd_str host = pd_str_c(cases[i].host);
        for (size_t m = 0; m < 5; m++)
            if (pd_csrf_allows(unsafe[m], site, origin, host) != cases[i].allowed)
                fail_msg("case %zu", i);
        for (size_t m = 0; m < 3; m++)
            assert_true(pd_csrf_allows(safe[m], site, origin, host));
    }
}

/* --- proxies -------------------------------------------------------------------------- */

static pd_str client_of(const char *trusted, const char *peer, const char *forwarded)
{
    struct pd_proxies p;
    struct pd_os_addr addr;
    assert_int_equal(pd_proxies_parse(&p, pd_str_c(trusted)), PD_OK);
    assert_true(pd_os_addr_parse(pd_str_c(peer), &addr));
    return pd_proxies_client(&p, &arena, &addr, pd_str_c(forwarded));
}

static void forwarded_for_is_believed_from_proxies_only(void **state)
{
    (void)state;
    assert_str(client_of("", "9.9.9.9:1", "1.1.1.1"), "9.9.9.9");
    assert_str(client_of("10.0.0.0/8", "9.9.9.9:1", "1.1.1.1"), "9.9.9.9");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", "1.1.1.1"), "1.1.1.1");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", NULL), "10.1.2.3");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", "6.6.6.6, 1.1.1.1"), "1.1.1.1");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", "6.6.6.6, 1.1.1.1 , 10.9.9.9"), "1.1.1.1");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", "6.6.6.6,1.1.1.12,10.9.9.9"), "1.1.1.12");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", ",10.9.9.9"), "10.9.9.9");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", "1.1.1.1, junk"), "10.1.2.3");
    assert_str(client_of("10.0.0.0/8", "10.1.2.3:1", "10.7.7.7"), "10.7.7.7");
    assert_str(client_of("::1, 192.168.1.7", "[::1]:1", "2001:db8::5"), "2001:db8::5");
    assert_str(client_of("::1, 192.168.1.7", "192.168.1.7:1", "1.1.1.1"), "1.1.1.1");
    assert_str(client_of("192.168.1.7", "[::ffff:192.168.1.7]:1", "1.1.1.1"), "1.1.1.1");
    assert_str(client_of("192.168.1.7", "[::c0a8:107]:1", "1.1.1.1"), "::192.168.1.7");
    assert_str(client_of("192.168.1.7", "192.168.1.8:1", "2001:db8::5"), "192.168.1.8");
    assert_str(client_of("2001:db8::/33", "[2001:db8:7fff::1]:1", "1.1.1.1"), "1.1.1.1");
    assert_str(client_of("2001:db8::/33", "[2001:db8:8000::1]:1", "1.1.1.1"), "2001:db8:8000::1");
}

static void malformed_proxies_are_named(void **state)
{
    (void)state;
    static const char *const bad[] = { "10.0.0.0/33", "::/129",   "10.0.0",    "host",
                                       "1.1.1.1,",    "1.1.1.1/", "1.1.1.1/x", "/8" };
    struct pd_proxies p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pd_proxies_parse(&p, pd_str_c(bad[i])) != PD_ECONFIG)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(pd_proxies_parse(&p, PD_STR(" 10.0.0.0/8 , ::/0")), PD_OK);
    char many[512] = "10.0.0.1";
    for (int i = 1; i <= PD_PROXIES_MAX; i++) {
        assert_int_equal(pd_proxies_parse(&p, pd_str_c(many)), PD_OK);
        assert_int_equal(p.n, i);
        snprintf(many + strlen(many), 16, ",10.0.0.1");
    }
    assert_int_equal(pd_proxies_parse(&p, pd_str_c(many)), PD_ECONFIG);
    static const char longest[] = "1111:2222:3333:4444:5555:6666:177.188.199.200";
    assert_int_equal(strlen(longest), 45);
    assert_int_equal(pd_proxies_parse(&p, pd_str_c(longest)), PD_OK);
    char longer[80];
    memset(longer, '1', sizeof longer);
    memcpy(longer, longest, 45);
    for (size_t n = 46; n <= sizeof longer; n++)
        assert_int_equal(pd_proxies_parse(&p, pd_str_n(longer, n)), PD_ECONFIG);
}

/* A unix socket has no address to trust, and none to show. */
static void a_peer_without_address_is_nobody(void **state)
{
    (void)state;
    struct pd_proxies p;
    struct pd_os_addr unix_peer = { .kind = PD_ADDR_UNIX };
    assert_int_equal(pd_proxies_parse(&p, PD_STR("0.0.0.0/0,::/0")), PD_OK);
    assert_false(pd_proxies_trust(&p, &unix_peer));
    assert_str(pd_proxies_client(&p, &arena, &unix_peer, PD_STR("1.1.1.1")), "");
}

/* --- negotiation ---------------------------------------------------------------------- */

static void the_best_coding_is_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool gzip, brotli;
        enum pd_encoding want;
    } cases[] = {
        { NULL, true, true, PD_ENC_IDENTITY },
        { "gzip, deflate, br", true, true, PD_ENC_BROTLI },
        { "gzip, deflate, br", true, false, PD_ENC_GZIP },
        { "gzip, br;q=0", true, true, PD_ENC_GZIP },
        { "gzip, br;Q=0", true, true, PD_ENC_GZIP },
        { "br;q=0.0, gzip; q=0.5", true, true, PD_ENC_GZIP },
        { "BR", true, true, PD_ENC_BROTLI },
        { "br;q=0.001", true, true, PD_ENC_BROTLI },
        { "gzip;q=0,br;q=0", true, true, PD_ENC_IDENTITY },
        { "gzipx, xbr", true, true, PD_ENC_IDENTITY },
        { "gzip, br", false, false, PD_ENC_IDENTITY },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (pd_encoding_choose(pd_str_c(cases[i].accept), cases[i].gzip, cases[i].brotli) !=
            cases[i].want)
            fail_msg("case %zu", i);
}

static void entity_tags_are_compared(void **state)
{
    (void)state;
    pd_str tag = PD_STR("\"abc\"");
    assert_true(pd_etag_listed(PD_STR("\"abc\""), tag));
    assert_true(pd_etag_listed(PD_STR("\"x\", W/\"abc\""), tag));
    assert_true(pd_etag_listed(PD_STR("*"), tag));
    assert_false(pd_etag_listed(PD_STR("\"abcd\""), tag));
    assert_false(pd_etag_listed(PD_STR("abc"), tag));
    assert_false(pd_etag_listed(PD_STR_NULL, tag));
}

static void assets_are_found_by_both_names(void **state)
{
    (void)state;
    static const struct pd_asset files[] = {
        { .name = "b.js", .hashed = "b-11.js" },
        { .name = "a.css", .hashed = "a-99.css" },
        { .name = "c.svg", .hashed = "c-55.svg" },
    };
    struct pd_assets t;
    assert_int_equal(pd_assets_init(&t, &arena, files, 3, PD_STR("https://cdn.example")), PD_OK);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(pd_assets_hashed(&t, pd_str_c(files[i].hashed)), &files[i]);
    assert_null(pd_assets_hashed(&t, PD_STR("a.css")));
    assert_null(pd_assets_hashed(&t, PD_STR("a-99.cssx")));
    assert_null(pd_assets_hashed(&t, PD_STR("")));
    assert_str(pd_assets_url(&t, PD_STR("a.css")), "https://cdn.example/assets/a-99.css");
    assert_true(pd_str_is_null(pd_assets_url(&t, PD_STR("d.js"))));
    static const struct pd_asset twice[] = { { .name = "a", .hashed = "a-1" },
                                             { .name = "a", .hashed = "a-2" } };
    assert_int_equal(pd_assets_init(&t, &arena, twice, 2, PD_STR_NULL), PD_ECONFIG);
}

/* Sealed by the first version of this format: an update signs nobody out. */
static void what_an_older_program_sealed_opens(void **state)
{
    (void)state;
    struct pd_sealer s = sealer(OLD, "session");
    pd_str plain;
    pd_time made;
    assert_true(pd_sealer_open(
        &s, &arena,
        PD_STR("AZUG4jTVR2wWyOCGg5ifdVDmcIAICU-VHrxszGLXSWKQbLgEZdRpbjMTTjHyDkZr1_nifVkzgiY"), NOW,
        0, &plain, &made));
    assert_str(plain, "user 42");
    assert_true(made == NOW);
}

static void every_bit_of_the_nonce_is_drawn(void **state)
{
    (void)state;
    struct pd_sealer s = sealer(OLD, "s");
    uint8_t ones[25] = { 0 }, zeros[25] = { 0 }, raw[200];
    for (int i = 0; i < 100; i++) {
        pd_str sealed = pd_sealer_seal(&s, &arena, PD_STR("x"), NOW);
        assert_true(pd_base64_decode(sealed, raw, sizeof raw) > 25);
        for (int k = 0; k < 25; k++) {
            ones[k] |= raw[k];
            zeros[k] |= (uint8_t)~raw[k];
        }
    }
    for (int k = 1; k < 25; k++)
        assert_true(ones[k] == 0xff && zeros[k] == 0xff);
}

/* What a seal cannot be costs nothing. */
static void long_text_is_no_seal(void **state)
{
    (void)state;
    enum { MOST = (PD_SEAL_MAX + 49) * 4 / 3 + 1 };
    struct pd_sealer s = sealer(OLD, "s");
    char *text = pd_arena_alloc(&arena, MOST + 1);
    pd_str longest = pd_sealer_seal(&s, &arena, pd_str_n(text, PD_SEAL_MAX), NOW);
    assert_int_equal(longest.len, MOST);
    assert_true(opens(&s, longest));
    memset(text, 'A', MOST + 1);
    size_t used = pd_arena_used(&arena);
    assert_false(opens(&s, pd_str_n(text, MOST + 1)));
    assert_int_equal(pd_arena_used(&arena), used);
}

static void the_bits_of_libsodium_are_drawn_by_the_os(void **state)
{
    (void)state;
    struct pd_keys k;
    uint32_t ones[2] = { 0 }, zeros[2] = { 0 };
    assert_int_equal(pd_keys_init(&k, PD_STR(OLD)), PD_OK);
    assert_string_equal(randombytes_implementation_name(), "pando");
    for (int i = 0; i < 100; i++) {
        uint32_t drawn[2] = { randombytes_random() };
        randombytes_buf(&drawn[1], sizeof drawn[1]);
        for (int n = 0; n < 2; n++) {
            ones[n] |= drawn[n];
            zeros[n] |= ~drawn[n];
        }
    }
    for (int n = 0; n < 2; n++)
        assert_true(ones[n] == UINT32_MAX && zeros[n] == UINT32_MAX);
}

static void keys_are_wiped(void **state)
{
    (void)state;
    struct pd_keys k;
    static const struct pd_keys none;
    assert_int_equal(pd_keys_init(&k, PD_STR(NEW "," OLD)), PD_OK);
    assert_true(memcmp(&k, &none, sizeof k) != 0);
    pd_keys_fini(&k);
    assert_memory_equal(&k, &none, sizeof k);
}

/* From nothing to the most that can be sealed; no more and no less. */
static void seals_have_limits(void **state)
{
    (void)state;
    struct pd_sealer s = sealer(OLD, "s");
    char *most = pd_arena_zalloc(&arena, 2 * PD_SEAL_MAX);
    pd_str sealed = pd_sealer_seal(&s, &arena, pd_str_n(most, PD_SEAL_MAX), NOW);
    assert_true(opens(&s, sealed));
    memset(most, 'A', 2 * PD_SEAL_MAX);
    assert_false(opens(&s, pd_str_n(most, 2 * PD_SEAL_MAX)));
    assert_false(opens(&s, PD_STR("AQ")));
    assert_false(opens(&s, PD_STR_NULL));
}

#define T(name) cmocka_unit_test_setup_teardown(name, arena_up, arena_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_sealed_opens_again),
        T(what_an_older_program_sealed_opens),
        T(every_bit_of_the_nonce_is_drawn),
        T(long_text_is_no_seal),
        T(the_bits_of_libsodium_are_drawn_by_the_os),
        T(keys_are_wiped),
        T(seals_have_limits),
        T(any_change_makes_it_fail),
        T(purposes_do_not_mix),
        T(keys_rotate),
        T(age_is_limited),
        T(short_and_missing_secrets_are_refused),
        T(cross_site_writes_are_refused),
        T(forwarded_for_is_believed_from_proxies_only),
        T(malformed_proxies_are_named),
        T(a_peer_without_address_is_nobody),
        T(the_best_coding_is_chosen),
        T(entity_tags_are_compared),
        T(assets_are_found_by_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
