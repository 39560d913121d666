/* shapes_notes.c - the annotations behind a field: `// @min 1 @max 10`.
 *
 * A table says for each annotation which C types it may stand at, how many numbers follow it and
 * which flag or presentation it sets. Words without @ are ordinary comment and are ignored.
 */
#include "gen/shapes.h"

#define BIT(type)  (1u << (type))
#define NUMBERS    (BIT(PD_T_I32) | BIT(PD_T_I64) | BIT(PD_T_MONEY) | BIT(PD_T_OPT))
#define MONEY      (BIT(PD_T_MONEY) | BIT(PD_T_OPT))
#define TEXTS      (BIT(PD_T_STR) | BIT(PD_T_BYTES))
#define EVERYTHING (~0u)

enum note_kind { NOTE_FLAG, NOTE_AS, NOTE_BYTES, NOTE_MIN, NOTE_MAX, NOTE_LEN, NOTE_DECIMALS };

static const struct note {
    pd_str name;
    enum note_kind kind;
    unsigned value, types, numbers;
    const char *only_at;
} notes[] = {
    { PD_STR_INIT("min"), NOTE_MIN, 0, NUMBERS, 1, "numbers" },
    { PD_STR_INIT("max"), NOTE_MAX, 0, NUMBERS, 1, "numbers" },
    { PD_STR_INIT("len"), NOTE_LEN, 0, TEXTS, 2, "pd_str" },
    { PD_STR_INIT("decimals"), NOTE_DECIMALS, 0, MONEY, 1, "pd_money" },
    { PD_STR_INIT("email"), NOTE_FLAG, PD_F_EMAIL, TEXTS, 0, "pd_str" },
    { PD_STR_INIT("trim"), NOTE_FLAG, PD_F_TRIM, TEXTS, 0, "pd_str" },
    { PD_STR_INIT("optional"), NOTE_FLAG, PD_F_OPTIONAL, EVERYTHING, 0, "" },
    { PD_STR_INIT("omit"), NOTE_FLAG, PD_F_OMIT, EVERYTHING, 0, "" },
    { PD_STR_INIT("hidden"), NOTE_FLAG, PD_F_HIDDEN, EVERYTHING, 0, "" },
    { PD_STR_INIT("bytes"), NOTE_BYTES, 0, TEXTS, 0, "pd_str" },
    { PD_STR_INIT("id"), NOTE_AS, PD_T_ID, BIT(PD_T_OPT), 0, "pd_opt_i64" },
    { PD_STR_INIT("time"), NOTE_AS, PD_T_TIME, BIT(PD_T_OPT), 0, "pd_opt_i64" },
    { PD_STR_INIT("date"), NOTE_AS, PD_T_DATE, BIT(PD_T_OPT), 0, "pd_opt_i64" },
    { PD_STR_INIT("bool"), NOTE_AS, PD_T_BOOL, BIT(PD_T_OPT), 0, "pd_opt_i64" },
    { PD_STR_INIT("money"), NOTE_AS, PD_T_MONEY, BIT(PD_T_OPT), 0, "pd_opt_i64" },
};
enum { NOTES = sizeof(notes) / sizeof(notes[0]) };

struct note_reader {
    struct gen *g;
    pd_str file;
    const struct shape_token *comment;
    pd_str rest;
};

static void complain(struct note_reader *r, pd_str message, pd_str remedy)
{
    gen_error(r->g, r->file, r->comment->line, r->comment->column, "PD-SHAPE-005", message, remedy);
}

static bool next_word(struct note_reader *r, pd_str *word)
{
    pd_str s = r->rest;
    size_t from = 0;
    while (from < s.len && (unsigned char)s.ptr[from] <= ' ')
        from++;
    size_t to = from;
    while (to < s.len && (unsigned char)s.ptr[to] > ' ')
        to++;
    *word = pd_str_sub(s, from, to);
    r->rest = pd_str_sub(s, to, s.len);
    return word->len > 0;
}

static const struct note *note_find(struct note_reader *r, pd_str name)
{
    pd_str names[NOTES];
    for (size_t i = 0; i < NOTES; i++) {
        if (pd_str_eq(notes[i].name, name))
            return &notes[i];
        names[i] = notes[i].name;
    }
    complain(
        r, pd_str_fmt(&r->g->arena, "unknown annotation \"@%.*s\"", PD_ARG(name)),
        gen_did_you_mean(r->g, name, names, NOTES,
                         PD_STR("known are @min @max @len @decimals @email @trim @optional @omit "
                                "@hidden @bytes @id @time @date @bool @money")));
    return NULL;
}

static bool read_numbers(struct note_reader *r, const struct note *n, int64_t *out)
{
    for (unsigned i = 0; i < n->numbers; i++) {
        pd_str word = PD_STR_NULL;
        if (next_word(r, &word) && pd_str_to_i64(word, &out[i]))
            continue;
        complain(r,
                 pd_str_fmt(&r->g->arena, "@%.*s needs %u whole number%s", PD_ARG(n->name),
                            n->numbers, n->numbers == 1 ? "" : "s"),
                 PD_STR("write @min 1, @max 100, or @len 3 64"));
        return false;
    }
    if (n->kind == NOTE_DECIMALS && (out[0] < 0 || out[0] > 8)) {
        complain(r, PD_STR("@decimals is 0 to 8"), PD_STR("write @decimals 2"));
        return false;
    }
    if (n->kind != NOTE_LEN || (out[0] >= 0 && out[0] <= out[1] && out[1] > 0))
        return true;
    complain(r, PD_STR("@len needs a least and a greatest length"), PD_STR("write @len 3 64"));
    return false;
}

static void set_note(struct gen_field *f, const struct note *n, const int64_t *numbers)
{
    switch (n->kind) {
    case NOTE_FLAG: f->flags |= n->value; break;
    case NOTE_AS: f->as = n->value; break;
    case NOTE_BYTES: f->type = PD_T_BYTES; break;
    case NOTE_MIN:
        f->bounded = true;
        f->max = f->min == 0 && f->max == 0 ? INT64_MAX : f->max;
        f->min = numbers[0];
        break;
    case NOTE_MAX:
        f->bounded = true;
        f->min = f->min == 0 && f->max == 0 ? INT64_MIN : f->min;
        f->max = numbers[0];
        break;
    case NOTE_LEN:
        f->min = numbers[0];
        f->max = numbers[1];
        break;
    case NOTE_DECIMALS: f->decimals = (unsigned)numbers[0]; break;
    }
}

static void apply_note(struct note_reader *r, const struct note *n, struct gen_field *first)
{
    int64_t numbers[2] = { 0, 0 };
    if (!read_numbers(r, n, numbers))
        return;
    for (struct gen_field *f = first; f; f = f->next) {
        if (n->types & BIT(f->type)) {
            set_note(f, n, numbers);
            continue;
        }
        complain(r,
                 pd_str_fmt(&r->g->arena, "@%.*s does not fit field \"%.*s\"", PD_ARG(n->name),
                            PD_ARG(f->name)),
                 pd_str_fmt(&r->g->arena, "it is for %s", n->only_at));
    }
}

static void check_bounds(struct note_reader *r, const struct gen_field *first)
{
    for (const struct gen_field *f = first; f; f = f->next) {
        if (f->bounded && f->min == 0 && f->max == 0)
            complain(r,
                     pd_str_fmt(&r->g->arena, "field \"%.*s\": only 0 can pass", PD_ARG(f->name)),
                     PD_STR("remove the field, or widen @min or @max"));
        if (f->min > f->max)
            complain(
                r, pd_str_fmt(&r->g->arena, "field \"%.*s\": @min is above @max", PD_ARG(f->name)),
                PD_STR("no value can pass: correct one of them"));
    }
}

bool shape_notes_any(pd_str comment)
{
    struct note_reader r = { .rest = comment };
    pd_str word;
    while (next_word(&r, &word)) {
        if (word.len > 1 && word.ptr[0] == '@')
            return true;
    }
    return false;
}

void shape_notes_apply(struct gen *g, pd_str file, const struct shape_token *comment,
                       struct gen_field *first)
{
    struct note_reader r = { .g = g, .file = file, .comment = comment, .rest = comment->text };
    pd_str word;
    while (next_word(&r, &word)) {
        if (word.len < 2 || word.ptr[0] != '@')
            continue;
        const struct note *n = note_find(&r, pd_str_sub(word, 1, word.len));
        if (n)
            apply_note(&r, n, first);
    }
    check_bounds(&r, first);
}
