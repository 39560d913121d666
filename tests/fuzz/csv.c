/* csv.c - a bank's file: any split of the bytes gives the same rows, and rows written in quotes are
 * read back as they are. */
#include "fuzz.h"
#include "ledger/csv.h"

#include <pando/buf.h>

static struct csv parser;

/* Everything that was reported, as text: one line for each event. */
static void note(struct pd_buf *b, enum csv_event event)
{
    pd_buf_fmt(b, "%lld %d", (long long)parser.row, (int)event);
    for (unsigned i = 0; event == CSV_ROW && i < parser.n; i++) {
        pd_assert(parser.n <= CSV_FIELDS_MAX && parser.fields[i].len <= CSV_ROW_MAX);
        pd_buf_fmt(b, "[%zu:", parser.fields[i].len);
        pd_buf_put(b, parser.fields[i]);
        pd_buf_put_c(b, ']');
    }
    pd_buf_put_c(b, '\n');
}

static pd_str events(struct pd_arena *a, pd_str in, char sep, size_t most, uint64_t *seed)
{
    struct pd_buf b;
    enum csv_event event;
    pd_buf_init(&b, a, 32 << 20);
    pd_buf_put(&b, PD_STR(""));
    csv_init(&parser, sep);
    while (in.len) {
        size_t piece = most ? 1 + fuzz_below(seed, most) : in.len;
        piece = piece < in.len ? piece : in.len;
        char *block = fuzz_block(in.ptr, piece);
        pd_str input = pd_str_n(block, piece);
        while ((event = csv_next(&parser, &input)) != CSV_MORE)
            note(&b, event);
        fuzz_free(block);
        in = pd_str_sub(in, piece, in.len);
    }
    if ((event = csv_finish(&parser)) != CSV_MORE)
        note(&b, event);
    pd_assert(!b.failed);
    return pd_buf_str(&b);
}

static void put_quoted(struct pd_buf *b, pd_str field)
{
    pd_buf_put_c(b, '"');
    for (size_t i = 0; i < field.len; i++)
        for (int twice = field.ptr[i] == '"'; twice >= 0; twice--)
            pd_buf_put_c(b, field.ptr[i]);
    pd_buf_put_c(b, '"');
}

/* The input as one field of a row of two. */
static void round_trip(struct pd_arena *a, pd_str in, char sep)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 4 << 20);
    put_quoted(&b, in);
    pd_buf_put_c(&b, sep);
    put_quoted(&b, PD_STR("end"));
    pd_buf_put_c(&b, '\n');
    pd_str text = pd_buf_str(&b);
    csv_init(&parser, sep);
    enum csv_event event = csv_next(&parser, &text);
    if (in.len > CSV_ROW_MAX - 3)
        return;
    pd_assert(event == CSV_ROW && parser.n == 2);
    pd_assert(pd_str_eq(parser.fields[0], pd_str_trim(in)));
    pd_assert(pd_str_eq(parser.fields[1], PD_STR("end")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .budget = 256 << 20 });
    uint64_t seed = fuzz_seed(data, n);
    pd_str in = fuzz_text(data, n);
    char sep = csv_guess_separator(in);
    pd_assert(strchr(",;\t|", sep));
    pd_str whole = events(&a, in, sep, 0, &seed);
    for (size_t most = 1; most <= 64; most *= 8)
        pd_assert(pd_str_eq(whole, events(&a, in, sep, most, &seed)));
    round_trip(&a, in, sep);
    pd_arena_fini(&a);
    return 0;
}
