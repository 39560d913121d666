/* path.c - the one reading of a path: decoded once, never above the root, and the same when what it
 * gave is encoded and read again. */
#include "fuzz.h"
#include "web/path.h"

#include <pando/buf.h>

/* Decoding as RFC 3986 says it, without checks and with another loop than path.c's. */
static pd_str decoded(struct pd_arena *a, pd_str raw)
{
    char *out = pd_arena_alloc(a, raw.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char hex[3] = { 0 };
        if (raw.ptr[i] != '%') {
            out[n++] = raw.ptr[i];
            continue;
        }
        pd_assert(raw.len - i > 2);
        memcpy(hex, raw.ptr + i + 1, 2);
        out[n++] = (char)strtoul(hex, NULL, 16);
        i += 2;
    }
    return pd_str_n(out, n);
}

static pd_str encoded(struct pd_arena *a, pd_str text)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 3 * text.len + 16);
    pd_buf_put(&b, PD_STR(""));
    pd_component_put(&b, text);
    return pd_buf_str(&b);
}

static void path_holds(struct pd_arena *a, pd_str raw, pd_str path)
{
    pd_assert(pd_str_eq(path, decoded(a, raw)));
    pd_assert(path.len && path.ptr[0] == '/' && pd_str_is_utf8(path));
    for (size_t i = 0; i < path.len; i++)
        pd_assert((unsigned char)path.ptr[i] >= ' ' && path.ptr[i] != 0x7f && path.ptr[i] != '\\');
    pd_str rest = path, segment;
    size_t slashes = 0, raw_slashes = 0;
    while (pd_str_split(&rest, '/', &segment)) {
        pd_assert(!pd_str_eq(segment, PD_STR(".")) && !pd_str_eq(segment, PD_STR("..")));
        slashes++;
    }
    for (size_t i = 0; i < raw.len; i++)
        raw_slashes += raw.ptr[i] == '/';
    pd_assert(slashes == raw_slashes + 1); /* none was made by decoding */
    pd_str again;
    pd_assert(pd_path_normalise(a, encoded(a, path), &again) && pd_str_eq(again, path));
}

static void component_holds(struct pd_arena *a, pd_str text)
{
    pd_str again;
    pd_assert(pd_str_is_text(text));
    pd_assert(pd_component_decode(a, encoded(a, text), &again) && pd_str_eq(again, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    char *block = fuzz_block((const char *)data, n);
    pd_str raw = pd_str_n(block, n), out;
    if (pd_path_normalise(&a, raw, &out))
        path_holds(&a, raw, out);
    if (pd_component_decode(&a, raw, &out))
        component_holds(&a, out);
    if (pd_path_is_local(raw))
        pd_assert(raw.ptr[0] == '/' && (n < 2 || (raw.ptr[1] != '/' && raw.ptr[1] != '\\')));
    fuzz_free(block);
    pd_arena_fini(&a);
    return 0;
}
