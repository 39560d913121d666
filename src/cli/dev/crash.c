/* crash.c - from the last words of a program to what a person needs: what, where, by which request.
 *
 * Three kinds of last words are understood: pando's own crash report (base/crash.h), a report of
 * AddressSanitizer and its like, whose frames carry their lines already, and none at all: then the
 * exit status and the last lines of output are what there is.
 */
#include "cli/dev/dev.h"
#include "base/symbols.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_LINES = 40 };
#define REPORT_BEGIN "=== pando crash report"
#define REPORT_END   "=== end of crash report"

struct resolving { /* on the offload pool */
    struct pd_arena *a;
    struct pd_frame *frames;
    unsigned n;
};

static void resolve(void *arg)
{
    struct resolving *r = arg;
    (void)!pd_symbols_find(r->a, r->frames, r->n); /* what it found is shown, else the offsets */
}

static void add_frame(struct dev_crash *c, pd_str function, pd_str file, int line)
{
    if (c->nframes < DEV_MAX_FRAMES)
        c->frames[c->nframes++] = (struct dev_frame){ function, file, line };
}

static void take_places(struct pd_arena *a, struct dev_crash *c, const struct pd_frame *f)
{
    for (unsigned i = 0; i < f->nplaces; i++)
        add_frame(c, f->places[i].function, f->places[i].file, f->places[i].line);
    if (f->nplaces == 0)
        add_frame(c,
                  pd_str_fmt(a, "%.*s(+0x%llx)", PD_ARG(f->object), (unsigned long long)f->offset),
                  PD_STR_NULL, 0);
}

static void take_frames(struct pd_arena *a, struct dev_crash *c, pd_str report)
{
    struct pd_frame *frames = pd_arena_new_n(a, struct pd_frame, DEV_MAX_FRAMES);
    struct resolving r = { a, frames, pd_symbols_parse(report, frames, DEV_MAX_FRAMES) };
    if (r.n == 0 || pd_offload(resolve, &r) != PD_OK)
        return;
    for (unsigned i = 0; i < r.n; i++)
        take_places(a, c, &frames[i]);
}

/* --- pando's report ----------------------------------------------------------------------------
 */

static pd_str between(pd_str text, const char *from, const char *to)
{
    size_t at = PD_NPOS, next;
    for (pd_str rest = text; (next = pd_str_find_str(rest, pd_str_c(from))) != PD_NPOS;
         rest = pd_str_sub(text, at, text.len))
        at = (size_t)(rest.ptr - text.ptr) + next + strlen(from); /* the last one */
    if (at == PD_NPOS)
        return PD_STR_NULL;
    pd_str rest = pd_str_sub(text, at, text.len);
    return pd_str_sub(rest, 0, pd_str_find_str(rest, pd_str_c(to)));
}

/* The command is for the author's terminal: what the proxy adds by itself does not belong there. */
static pd_str without_forwarded(struct pd_arena *a, pd_str curl)
{
    static const char begin[] = " -H 'X-Forwarded-";
    size_t at = pd_str_find_str(curl, pd_str_c(begin));
    while (at != PD_NPOS) {
        pd_str rest = pd_str_sub(curl, at + sizeof begin - 1, curl.len);
        size_t end = pd_str_find(rest, '\'');
        rest = pd_str_sub(rest, end == PD_NPOS ? rest.len : end + 1, rest.len);
        curl = pd_str_fmt(a, "%.*s%.*s", (int)at, curl.ptr, PD_ARG(rest));
        at = pd_str_find_str(curl, pd_str_c(begin));
    }
    return curl;
}

static void take_report_line(struct dev_crash *c, pd_str line)
{
    if (!c->message.len) {
        c->message = line;
        return;
    }
    if (pd_str_starts(line, PD_STR("curl ")))
        c->curl = line;
    if (!pd_str_starts(line, PD_STR("in fiber ")))
        return;
    size_t open = pd_str_find(line, '(');
    if (open != PD_NPOS && pd_str_ends(line, PD_STR(")")))
        c->request = pd_str_sub(line, open + 1, line.len - 1);
}

static bool read_report(struct pd_arena *a, pd_str output, struct dev_crash *c)
{
    pd_str report = between(output, REPORT_BEGIN, REPORT_END), line;
    pd_str rest = pd_str_trim(report);
    if (!rest.len)
        return false;
    while (pd_str_split(&rest, '\n', &line))
        take_report_line(c, pd_str_trim(line));
    take_frames(a, c, report);
    c->curl = without_forwarded(a, c->curl);
    return true;
}

/* --- a sanitizer's -------------------------------------------------------------------------------
 */

/* "    #1 0x55… in show_account /srv/shop/ledger.c:12:5" */
static void take_sanitizer_frame(struct dev_crash *c, pd_str line)
{
    size_t in = pd_str_find_str(line, PD_STR(" in "));
    if (in == PD_NPOS || !pd_str_starts(line, PD_STR("#")))
        return;
    pd_str rest = pd_str_sub(line, in + 4, line.len), function, file, number;
    if (!pd_str_split(&rest, ' ', &function) || !rest.len)
        return;
    int64_t n = 0;
    (void)pd_str_split(&rest, ':', &file);
    if (!pd_str_split(&rest, ':', &number) || !pd_str_to_i64(number, &n))
        n = 0;
    add_frame(c, function, n ? file : PD_STR_NULL, (int)n);
}

static bool read_sanitizer(pd_str output, struct dev_crash *c)
{
    size_t at = pd_str_find_str(output, PD_STR("Sanitizer: "));
    size_t ub = pd_str_find_str(output, PD_STR(": runtime error: "));
    at = at < ub ? at : ub;
    if (at == PD_NPOS)
        return false;
    while (at > 0 && output.ptr[at - 1] != '\n')
        at--;
    pd_str rest = pd_str_sub(output, at, output.len), line;
    (void)pd_str_split(&rest, '\n', &c->message);
    c->message = pd_str_trim(c->message);
    while (pd_str_split(&rest, '\n', &line)) {
        line = pd_str_trim(line);
        if (c->nframes > 0 && !pd_str_starts(line, PD_STR("#")))
            break; /* the stacks behind the first say where memory came from */
        take_sanitizer_frame(c, line);
    }
    return true;
}

/* --- the whole
 * ------------------------------------------------------------------------------------- */

static pd_str last_lines(pd_str text, unsigned n)
{
    size_t at = text.len;
    while (at > 0 && n > 0) {
        at--;
        n -= at > 0 && text.ptr[at - 1] == '\n';
    }
    return pd_str_sub(text, at, text.len);
}

/* "==1234==ERROR: AddressSanitizer: …": the number says nothing. */
static pd_str without_pid(pd_str message)
{
    size_t error = pd_str_find_str(message, PD_STR("ERROR: "));
    return error == PD_NPOS ? message : pd_str_sub(message, error + 7, message.len);
}

/* Debug information may name files from the folder they were compiled in: the app's. */
static pd_str absolute(struct pd_arena *a, pd_str path, const char *dir)
{
    pd_str whole = pd_str_fmt(a, "%s/%.*s", dir, PD_ARG(path));
    bool relative = path.len && path.ptr[0] != '/';
    return relative && access(pd_str_cstr(a, whole), R_OK) == 0 ? whole : path;
}

/* The innermost line of the author's own is where he will want to look. */
static void find_excerpt(struct pd_arena *a, const char *dir, struct dev_crash *c)
{
    for (unsigned i = 0; i < c->nframes; i++) {
        struct dev_frame *f = &c->frames[i];
        if (!f->file.len)
            continue;
        pd_str path = absolute(a, f->file, dir);
        f->file = dev_path_short(path, dir);
        bool own = f->file.len != path.len && !pd_str_starts(f->file, PD_STR("build/"));
        if (own && !c->excerpt.len)
            c->excerpt = dev_excerpt(a, path, f->line);
    }
}

void dev_crash_read(struct pd_arena *a, pd_str output, int status, const char *dir,
                    struct dev_crash *out)
{
    *out = (struct dev_crash){ 0 };
    pd_str text = pd_str_dup(a, output); /* ours while addr2line runs */
    out->fate = dev_process_fate(a, status);
    if (!read_sanitizer(text, out) && !read_report(a, text, out))
        out->message = pd_str_fmt(a, "the program %.*s", PD_ARG(out->fate));
    out->message = without_pid(out->message);
    find_excerpt(a, dir, out);
    size_t report = pd_str_find_str(text, PD_STR(REPORT_BEGIN)); /* told already */
    out->output = last_lines(pd_str_sub(text, 0, report), OUTPUT_LINES);
}
