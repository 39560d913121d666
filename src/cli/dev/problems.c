/* problems.c - from what a build printed to problems with file and line.
 *
 * gcc, clang and `pando gen` print "file:line:column: error: message", gen with a code before the
 * colon; ld prints "file:line: undefined reference …". The lines behind one are its excerpt (gcc's
 * "   12 | text" with a caret) or its remedy. What make and ninja say themselves is only needed to
 * find the folder that relative paths are meant from.
 */
#include "cli/dev/dev.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    EXCERPT_LINES = 3,
    TAIL_LINES = 30,
    MAX_FILE = 4 << 20,
    MAX_FOLDERS = 8,
    MAX_MESSAGE = 1000, /* bytes: with DEV_MAX_PROBLEMS of them, what a page or an event may hold */
    MAX_EXCERPT = 4000,
};

struct reading {
    struct pd_arena *a;
    const char *dir;
    struct dev_problems *out;
    struct dev_problem *last; /* whose lines follow; NULL: nobody's */
    pd_str
        folders[MAX_FOLDERS]; /* relative paths may be meant from: the app's, then what was said */
    unsigned nfolders;
    struct pd_buf excerpt;
};

/* --- paths --------------------------------------------------------------------------------------
 */

pd_str dev_path_short(pd_str path, const char *dir)
{
    pd_str base = pd_str_c(dir);
    if (pd_str_starts(path, base) && path.len > base.len && path.ptr[base.len] == '/')
        return pd_str_sub(path, base.len + 1, path.len);
    return path;
}

/* The real path of a file named in the output, or null. */
static pd_str find_file(const struct reading *r, pd_str name)
{
    for (unsigned i = 0; i < r->nfolders; i++) {
        bool absolute = pd_str_starts(name, PD_STR("/"));
        pd_str path =
            absolute ? name : pd_str_fmt(r->a, "%.*s/%.*s", PD_ARG(r->folders[i]), PD_ARG(name));
        char *real = realpath(pd_str_cstr(r->a, path), NULL);
        if (!real)
            continue;
        pd_str found = pd_str_dup(r->a, pd_str_c(real));
        free(real);
        return found;
    }
    return PD_STR_NULL;
}

static void note_folder(struct reading *r, pd_str line)
{
    size_t at = pd_str_find_str(line, PD_STR("ntering directory "));
    if (at == PD_NPOS || r->nfolders == MAX_FOLDERS)
        return;
    pd_str path = pd_str_sub(line, at + 19, line.len - 1);
    if (!pd_str_starts(path, PD_STR("/")))
        path = pd_str_fmt(r->a, "%s/%.*s", r->dir, PD_ARG(path));
    r->folders[r->nfolders++] = path;
}

pd_str dev_excerpt(struct pd_arena *a, pd_str path, int line)
{
    struct pd_buf b;
    pd_str text, one;
    if (line <= 0 || pd_os_file_read(a, path, MAX_FILE, &text) != PD_OK)
        return PD_STR_NULL;
    pd_buf_init(&b, a, 16 << 10);
    for (int n = 1; n <= line + EXCERPT_LINES && pd_str_split(&text, '\n', &one); n++)
        if (n >= line - EXCERPT_LINES)
            pd_buf_fmt(&b, "%s%5d | %.*s\n", n == line ? ">" : " ", n,
                       PD_ARG(pd_str_sub(one, 0, 200)));
    return pd_buf_str(&b);
}

/* --- one line
 * -------------------------------------------------------------------------------------- */

static bool take_number(pd_str *rest, int *out)
{
    size_t n = 0;
    int64_t value;
    while (n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9')
        n++;
    bool good = n > 0 && n < rest->len && rest->ptr[n] == ':' &&
                pd_str_to_i64(pd_str_sub(*rest, 0, n), &value) && value < INT32_MAX;
    if (!good)
        return false;
    *out = (int)value;
    *rest = pd_str_sub(*rest, n + 1, rest->len);
    return true;
}

/* "file:12:3: ", "file:12: " or gen's "file: error PD-…" at the head of a line. */
static bool take_place(pd_str line, struct dev_problem *p, pd_str *rest)
{
    size_t colon = pd_str_find(line, ':');
    if (colon == 0 || colon == PD_NPOS)
        return false;
    p->file = pd_str_sub(line, 0, colon);
    *rest = pd_str_sub(line, colon + 1, line.len);
    if (pd_str_find(p->file, ' ') != PD_NPOS)
        return false;
    bool placed = take_number(rest, &p->line);
    if (placed)
        (void)take_number(rest, &p->column);
    *rest = pd_str_trim(*rest);
    return placed ? rest->len > 0 : pd_str_starts(*rest, PD_STR("error PD-"));
}

/* "error: …", "fatal error: …", "error PD-SQL-012: …", "warning: …", "undefined reference to …". */
static bool take_message(pd_str rest, struct dev_problem *p)
{
    static const char *const bare[] = { "undefined reference", "multiple definition" };
    for (size_t i = 0; i < 2; i++)
        if (pd_str_starts(rest, pd_str_c(bare[i]))) {
            p->message = rest;
            return true;
        }
    if (pd_str_starts(rest, PD_STR("fatal ")))
        rest = pd_str_sub(rest, 6, rest.len);
    p->warning = pd_str_starts(rest, PD_STR("warning"));
    if (!p->warning && !pd_str_starts(rest, PD_STR("error")))
        return false;
    size_t colon = pd_str_find_str(rest, PD_STR(": "));
    pd_str code = pd_str_trim(pd_str_sub(rest, p->warning ? 7 : 5, colon));
    if (colon == PD_NPOS)
        return false;
    p->message = pd_str_sub(rest, colon + 2, rest.len);
    p->code = code;
    return code.len < 32;
}

/* What compilers and linkers say without a remedy, and authors of an app meet often. */
static pd_str usual_remedy(pd_str message)
{
    static const struct {
        const char *said, *also, *remedy;
    } USUAL[] = {
        { "makes integer from pointer", "char *",
          "a text is a pd_str: write PD_STR(\"text\") for a literal, pd_str_c(p) for a C string" },
        { "pointer to integer conversion", "char",
          "a text is a pd_str: write PD_STR(\"text\") for a literal, pd_str_c(p) for a C string" },
        { "undefined reference", "",
          "it is declared, and no source defines it: write it, or name its library in the "
          "Makefile: "
          "LDLIBS_EXTRA := -lNAME" },
        { "multiple definition", "",
          "two sources define it: make what is private to a file static" },
    };
    for (size_t i = 0; i < sizeof USUAL / sizeof *USUAL; i++)
        if (pd_str_find_str(message, pd_str_c(USUAL[i].said)) != PD_NPOS &&
            pd_str_find_str(message, pd_str_c(USUAL[i].also)) != PD_NPOS)
            return pd_str_c(USUAL[i].remedy);
    return PD_STR_NULL;
}

/* What the check says of a place takes the place of what ld said of it: it knows why. */
static void replace_undefined(struct reading *r, const struct dev_problem *p)
{
    struct dev_problems *out = r->out;
    unsigned kept = 0;
    for (unsigned i = 0; i < out->n; i++) {
        struct dev_problem *old = &out->at[i];
        if (old != p && old->line == p->line && pd_str_eq(old->file, p->file) &&
            pd_str_starts(old->message, PD_STR("undefined reference")))
            out->errors--;
        else
            out->at[kept++] = *old;
    }
    out->n = kept;
}

static void end_last(struct reading *r)
{
    struct dev_problem *p = r->last;
    if (!p)
        return;
    if (!p->remedy.len)
        p->remedy = usual_remedy(p->message);
    pd_str path = p->file.len ? find_file(r, p->file) : PD_STR_NULL;
    p->excerpt = r->excerpt.len ? pd_str_dup(r->a, pd_buf_str(&r->excerpt))
                                : dev_excerpt(r->a, path, p->line);
    p->message = pd_str_sub(p->message, 0, MAX_MESSAGE);
    p->remedy = pd_str_sub(p->remedy, 0, MAX_MESSAGE);
    p->excerpt = pd_str_sub(p->excerpt, 0, MAX_EXCERPT);
    if (path.len)
        p->file = dev_path_short(path, r->dir);
    p->file = pd_str_sub(p->file, 0, MAX_MESSAGE);
    if (pd_str_eq(p->code, PD_STR("PD-CHECK-054")))
        replace_undefined(r, p);
    r->last = NULL;
    pd_buf_reset(&r->excerpt);
}

/* When there is no more room an error takes the place of a warning. NULL: it is only counted. */
static struct dev_problem *add(struct reading *r, bool warning)
{
    struct dev_problems *out = r->out;
    if (out->n < DEV_MAX_PROBLEMS)
        return &out->at[out->n++];
    for (unsigned i = out->n; !warning && i-- > 0;)
        if (out->at[i].warning)
            return &out->at[i];
    return NULL;
}

static bool begins_problem(struct reading *r, pd_str line)
{
    struct dev_problem p = { 0 };
    pd_str rest;
    size_t ld = pd_str_find_str(line, PD_STR("ld: "));
    if (ld != PD_NPOS && ld < 40)
        line = pd_str_sub(line, ld + 4, line.len);
    if (!take_place(line, &p, &rest) || !take_message(rest, &p))
        return false;
    end_last(r);
    r->out->errors += !p.warning;
    r->out->warnings += p.warning;
    r->last = add(r, p.warning);
    if (r->last)
        *r->last = p;
    return true;
}

/* gcc's excerpts begin with a number or a bar; gen's remedy with "remedy:". */
static void continues_problem(struct reading *r, pd_str line)
{
    pd_str text = pd_str_trim(line);
    if (!r->last)
        return;
    if (pd_str_starts(text, PD_STR("remedy: ")))
        r->last->remedy = pd_str_sub(text, 8, text.len);
    else if (pd_str_starts(line, PD_STR(" ")) && pd_str_find(line, '|') != PD_NPOS)
        pd_buf_fmt(&r->excerpt, "%.*s\n", PD_ARG(line));
    else if (!pd_str_starts(line, PD_STR(" ")))
        end_last(r);
}

/* --- the whole
 * --------------------------------------------------------------------------------------- */

/* Colours are for terminals: "ESC [ … letter" goes. */
static pd_str without_colours(struct pd_arena *a, pd_str text)
{
    struct pd_buf b;
    pd_buf_init(&b, a, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\033') {
            pd_buf_put_c(&b, text.ptr[i]);
            continue;
        }
        while (i < text.len && (text.ptr[i] < '@' || text.ptr[i] == '['))
            i++;
    }
    return pd_buf_str(&b);
}

static pd_str last_lines(pd_str text, unsigned n)
{
    size_t at = text.len;
    while (at > 0 && n > 0) {
        at--;
        n -= at > 0 && text.ptr[at - 1] == '\n';
    }
    return pd_str_sub(text, at, text.len);
}

void dev_problems_read(struct pd_arena *a, pd_str output, const char *dir, bool failed,
                       struct dev_problems *out)
{
    struct reading r = {
        .a = a, .dir = dir, .out = out, .folders = { pd_str_c(dir) }, .nfolders = 1
    };
    memset(out, 0, sizeof *out); /* too large for a literal on the stack */
    pd_str text = without_colours(a, output), rest = text, line;
    pd_buf_init(&r.excerpt, a, 16 << 10);
    while (pd_str_split(&rest, '\n', &line)) {
        note_folder(&r, line);
        if (!begins_problem(&r, line))
            continues_problem(&r, line);
        if (rest.len == 0)
            break;
    }
    end_last(&r);
    if (!failed || out->errors > 0)
        return;
    struct dev_problem *p = add(&r, false); /* there is room: nothing in the list is an error */
    *p = (struct dev_problem){ .message = PD_STR("the build failed"),
                               .excerpt = last_lines(text, TAIL_LINES) };
    p->excerpt =
        pd_str_sub(p->excerpt, p->excerpt.len > MAX_EXCERPT ? p->excerpt.len - MAX_EXCERPT : 0,
                   p->excerpt.len);
    out->errors++;
}
