/* multipart.c - the first line is the Content-Type, the rest the body. What was read is text,
 * within its limits, and the same when it is written with another boundary and read again. */
#include "fuzz.h"
#include "web/urlencoded.h"

#include <pando/buf.h>

#define BOUNDARY "another-boundary-0123456789"

/* False if a name cannot stand in quotes. */
static bool written(struct pd_buf *b, const struct pd_pairs *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (pd_str_find(p->at[i].name, '"') != PD_NPOS ||
            pd_str_find_str(p->at[i].value, PD_STR(BOUNDARY)) != PD_NPOS)
            return false;
        pd_buf_put(b, PD_STR("--" BOUNDARY "\r\nContent-Disposition: form-data; name=\""));
        pd_buf_put(b, p->at[i].name);
        pd_buf_put(b, PD_STR("\"\r\n\r\n"));
        pd_buf_put(b, p->at[i].value);
        pd_buf_put(b, PD_STR("\r\n"));
    }
    pd_buf_put(b, PD_STR("--" BOUNDARY "--\r\n"));
    return true;
}

static void round_trip(struct pd_arena *a, const struct pd_pairs *p)
{
    struct pd_buf b;
    struct pd_pairs again;
    pd_buf_init(&b, a, 8 << 20);
    if (!written(&b, p))
        return;
    pd_str type = PD_STR("multipart/form-data; boundary=\"" BOUNDARY "\"");
    pd_assert(pd_multipart_read(a, type, pd_buf_str(&b), &again) == PD_OK && again.n == p->n);
    for (unsigned i = 0; i < p->n; i++)
        pd_assert(pd_str_eq(p->at[i].name, again.at[i].name) &&
                  pd_str_eq(p->at[i].value, again.at[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .budget = 64 << 20 });
    char *block = fuzz_block((const char *)data, n);
    pd_str body = pd_str_n(block, n), type = fuzz_line(&body);
    struct pd_pairs p;
    if (pd_multipart_read(&a, type, body, &p) == PD_OK) {
        pd_assert(p.n <= PD_PAIRS_MAX);
        for (unsigned i = 0; i < p.n; i++) {
            pd_str name = p.at[i].name, value = p.at[i].value;
            pd_assert(pd_str_is_utf8(name) && name.len <= PD_PAIR_NAME_MAX);
            pd_assert(pd_str_is_utf8(value) && pd_str_find(value, '\0') == PD_NPOS);
        }
        round_trip(&a, &p);
    } else {
        pd_assert(p.n == 0);
    }
    fuzz_free(block);
    pd_arena_fini(&a);
    return 0;
}
