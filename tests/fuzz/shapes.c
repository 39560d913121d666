/* shapes.c - the reader of authors' headers: every struct it accepts has names that C takes and
 * types that are resolved; what it refuses, it says. */
#include "fuzz.h"
#include "gen/shapes.h"

static void hear(void *said, pd_str text)
{
    *(bool *)said |= text.len > 0;
}

static bool is_identifier(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)(s.ptr[i] | 0x20);
        if (!(c >= 'a' && c <= 'z') && s.ptr[i] != '_' &&
            !(i && s.ptr[i] >= '0' && s.ptr[i] <= '9'))
            return false;
    }
    return s.len > 0;
}

static void struct_holds(const struct gen_struct *s)
{
    unsigned n = 0;
    pd_assert(is_identifier(s->name));
    for (const struct gen_field *f = s->fields; f; f = f->next, n++) {
        pd_assert(is_identifier(f->name) && f->min <= f->max);
        if (f->type == PD_T_STRUCT || f->type == PD_T_PTR || f->type == PD_T_LIST)
            pd_assert(f->of && f->of_name.len);
    }
    pd_assert(n == s->nfields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gen g;
    bool said = false;
    char *block = fuzz_block((const char *)data, n);
    gen_init(&g);
    g.report = hear;
    g.report_arg = &said;
    struct gen_module m = { .name = PD_STR("demo"), .dir = PD_STR("modules/demo") };
    g.modules = &m;
    shape_parse(&g, &m, PD_STR("shapes.h"), pd_str_n(block, n));
    gen_model_resolve(&g);
    pd_assert(said == (g.errors > 0));
    for (const struct gen_struct *s = g.structs; s && g.errors == 0; s = s->next)
        struct_holds(s);
    gen_fini(&g);
    fuzz_free(block);
    return 0;
}
