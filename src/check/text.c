/* text.c - the author's files as they stand: markers in comments, words.
 *
 * The preprocessor drops comments, so a marker is looked up by its place: in the line itself, or
 * alone in the one above it.
 */
#include "check/check.h"

struct text {
    pd_str *lines; /* line n is lines[n - 1] */
    size_t n;
};

static pd_str path_of(struct check *k, pd_str shown)
{
    if (shown.len && shown.ptr[0] == '/')
        return shown;
    return pd_str_fmt(&k->arena, "%.*s/%.*s", PD_ARG(k->root),
                      PD_ARG(pd_str_sub(shown, k->prefix.len, shown.len)));
}

static struct text *text_of(struct check *k, pd_str shown)
{
    struct text *t = pd_map_get(&k->texts, shown);
    if (t)
        return t;
    t = pd_arena_new(&k->arena, struct text);
    pd_map_put(&k->texts, shown, t);
    pd_str all, line;
    if (gen_read(&k->gen, path_of(k, shown), &all) != PD_OK)
        return t;
    size_t n = 1;
    for (size_t i = 0; i < all.len; i++)
        n += all.ptr[i] == '\n';
    t->lines = pd_arena_new_n(&k->arena, pd_str, n);
    while (t->n < n && pd_str_split(&all, '\n', &line))
        t->lines[t->n++] = line;
    return t;
}

/* What stands behind "nplus1 ok:" in a comment of the line; null if it has no such comment. */
static pd_str reason_in(pd_str line, pd_str marker)
{
    size_t at = pd_str_find_str(line, marker);
    if (at == PD_NPOS)
        return PD_STR_NULL;
    pd_str before = pd_str_trim(pd_str_sub(line, 0, at));
    if (!pd_str_ends(before, PD_STR("/*")) && !pd_str_ends(before, PD_STR("//")) &&
        !pd_str_ends(before, PD_STR("*")))
        return PD_STR_NULL;
    pd_str reason = pd_str_sub(line, at + marker.len, line.len);
    size_t end = pd_str_find_str(reason, PD_STR("*/"));
    reason = pd_str_trim(pd_str_sub(reason, 0, end == PD_NPOS ? reason.len : end));
    return reason.ptr ? reason : PD_STR("");
}

/* Behind code a marker is for its own line; alone in a line it is for the next one. */
static bool is_for(const struct text *t, int at, int line)
{
    pd_str text = pd_str_trim(t->lines[at - 1]);
    return at == line || pd_str_starts(text, PD_STR("/*")) || pd_str_starts(text, PD_STR("//")) ||
           pd_str_starts(text, PD_STR("*"));
}

bool check_exempt(struct check *k, pd_str shown, int line, const char *word)
{
    struct text *t = text_of(k, shown);
    pd_str marker = pd_str_fmt(&k->arena, "%s:", word);
    for (int at = line; at >= line - 1; at--) {
        if (at < 1 || (size_t)at > t->n || !is_for(t, at, line))
            continue;
        pd_str reason = reason_in(t->lines[at - 1], marker);
        if (reason.len)
            return true;
        if (reason.ptr)
            check_find(k, "PD-CHECK-004", shown, at, pd_str_c(word),
                       PD_STR("say why it is right here, behind the colon"),
                       "an exemption without a reason: \"%s:\"", word);
    }
    return false;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool has_word(pd_str line, pd_str word)
{
    for (size_t from = 0; from + word.len <= line.len;) {
        size_t at = pd_str_find_str(pd_str_sub(line, from, line.len), word);
        if (at == PD_NPOS)
            return false;
        at += from;
        size_t end = at + word.len;
        if ((at == 0 || !is_word_char(line.ptr[at - 1])) &&
            (end == line.len || !is_word_char(line.ptr[end])))
            return true;
        from = at + 1;
    }
    return false;
}

int check_line_of(struct check *k, pd_str shown, pd_str word)
{
    struct text *t = text_of(k, shown);
    for (size_t i = 0; i < t->n; i++) {
        if (has_word(t->lines[i], word))
            return (int)i + 1;
    }
    return 0;
}
