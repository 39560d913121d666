/* cookie.c - the Cookie header against a second reader of it, and Set-Cookie read back. */
#include "fuzz.h"
#include "web/cookie.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "sid" byte by byte: at the start of a piece, blanks skipped. */
static pd_str second_reader(pd_str h, pd_str name)
{
    for (size_t at = 0; at < h.len;) {
        size_t end = at, stop;
        while (end < h.len && h.ptr[end] != ';')
            end++;
        stop = end;
        while (at < end && blank(h.ptr[at]))
            at++;
        while (stop > at && blank(h.ptr[stop - 1]))
            stop--;
        if (stop - at > name.len && memcmp(h.ptr + at, name.ptr, name.len) == 0 &&
            h.ptr[at + name.len] == '=')
            return pd_str_n(h.ptr + at + name.len + 1, stop - at - name.len - 1);
        at = end + 1;
    }
    return PD_STR_NULL;
}

static void set_and_get(struct pd_arena *a, pd_str value)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 1 << 20);
    char *text = pd_arena_alloc(a, value.len + 1);
    for (size_t i = 0; i < value.len; i++) /* base64url, as our values are */
        text[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            [(unsigned char)value.ptr[i] & 63];
    struct pd_cookie c = { PD_STR("sid"), pd_str_n(text, value.len), 60, value.len & 1 };
    pd_cookie_put(&b, &c);
    pd_str line = pd_buf_str(&b), start = PD_STR("Set-Cookie: ");
    pd_assert(pd_str_starts(line, start) && pd_str_ends(line, PD_STR("\r\n")));
    pd_str name = c.secure ? PD_STR(PD_HOST_PREFIX "sid") : c.name;
    pd_str cookies = pd_str_sub(line, start.len, line.len - 2);
    pd_assert(pd_str_eq(pd_cookie_find(cookies, name), c.value));
    pd_assert(pd_str_find(cookies, '\n') == PD_NPOS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    char *block = fuzz_block((const char *)data, n);
    pd_str header = pd_str_n(block, n), sid = PD_STR("sid");
    pd_str found = pd_cookie_find(header, sid), other = second_reader(header, sid);
    pd_assert(pd_str_is_null(found) == pd_str_is_null(other) && pd_str_eq(found, other));
    set_and_get(&a, header);
    fuzz_free(block);
    pd_arena_fini(&a);
    return 0;
}
