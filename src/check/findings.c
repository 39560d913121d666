/* findings.c - what was found: kept, sorted, compared with check.todo, printed.
 *
 * check.todo is for an app that is older than the check: each line is the key of a violation that
 * is known. A key names no line of a source, so that it stays the same while the file changes
 * around it. The file may only shrink: what is listed and not found any more has to be taken out.
 */
#include "check/check.h"

#include <pando/json.h>

#include <stdarg.h>
#include <stdlib.h>

enum { TODO_MAX = 1 << 20 };

void check_find(struct check *k, const char *code, pd_str file, int line, pd_str subject,
                pd_str remedy, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (k->nfindings == k->cap) {
        size_t cap = k->cap ? k->cap * 2 : 64;
        k->findings = pd_arena_grow(&k->arena, k->findings, k->cap * sizeof *k->findings,
                                    cap * sizeof *k->findings);
        k->cap = cap;
    }
    pd_str place = file;
    if (pd_str_starts(place, k->prefix))
        place = pd_str_sub(place, k->prefix.len, place.len);
    k->findings[k->nfindings++] = (struct check_finding){
        .code = code,
        .file = file,
        .line = line,
        .message = pd_str_dup(&k->arena, pd_str_c(text)),
        .remedy = remedy,
        .key = pd_str_fmt(&k->arena, "%s %.*s %.*s", code, PD_ARG(place), PD_ARG(subject)),
    };
}

static int compare(const void *a, const void *b)
{
    const struct check_finding *x = a, *y = b;
    int order = pd_str_cmp(x->file, y->file);
    if (order == 0)
        order = x->line - y->line;
    if (order == 0)
        order = strcmp(x->code, y->code);
    return order ? order : pd_str_cmp(x->message, y->message);
}

/* Sorts, and keeps one of those that several units found in the same header, if it is wanted. */
void check_findings_sort(struct check *k)
{
    size_t kept = 0;
    if (k->nfindings)
        qsort(k->findings, k->nfindings, sizeof *k->findings, compare);
    for (size_t i = 0; i < k->nfindings; i++) {
        struct check_finding *f = &k->findings[i], *last = kept ? &k->findings[kept - 1] : NULL;
        if (last && pd_str_eq(last->key, f->key) && last->line == f->line)
            continue;
        if (k->opts.only && strcmp(k->opts.only, f->code) != 0)
            continue;
        k->findings[kept++] = *f;
    }
    k->nfindings = kept;
}

/* --- check.todo ------------------------------------------------------------------------------ */

static pd_str todo_path(struct check *k)
{
    return pd_str_fmt(&k->arena, "%.*s/check.todo", PD_ARG(k->root));
}

/* Marks the findings with this key; false if there are none. */
static bool mark(struct check *k, pd_str key, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!pd_str_eq(k->findings[i].key, key))
            continue;
        any = k->findings[i].known = true;
    }
    return any;
}

static void gone(struct check *k, pd_str key, int line)
{
    k->ngone++;
    check_find(k, "PD-CHECK-005", pd_str_fmt(&k->arena, "%.*scheck.todo", PD_ARG(k->prefix)), line,
               key, PD_STR("good: take the line out, or run `pando check --todo`"),
               "this was mended and is still listed: %.*s", PD_ARG(key));
}

static size_t compare_with(struct check *k, pd_str text)
{
    size_t n = k->nfindings, listed = 0;
    pd_str line;
    for (int number = 1; pd_str_split(&text, '\n', &line); number++) {
        line = pd_str_trim(line);
        if (!line.len || line.ptr[0] == '#')
            continue;
        listed++;
        if (!mark(k, line, n))
            gone(k, line, number);
    }
    for (size_t i = 0; i < k->nfindings; i++)
        k->nknown += k->findings[i].known;
    return listed;
}

static pd_err write_todo(struct check *k, bool only_known)
{
    struct pd_buf b;
    pd_str before = PD_STR_NULL;
    pd_buf_init(&b, &k->arena, TODO_MAX);
    pd_buf_put(
        &b, PD_STR("# Old violations that `pando check` knows and forgives: may only shrink.\n"));
    for (size_t i = 0; i < k->nfindings; i++) {
        struct check_finding *f = &k->findings[i];
        bool listed = (!only_known || f->known) && strcmp(f->code, "PD-CHECK-005") != 0;
        f->known |= listed;
        if (listed && !pd_str_eq(f->key, before))
            pd_buf_fmt(&b, "%.*s\n", PD_ARG(f->key));
        before = f->key;
    }
    if (b.failed)
        return pd_fail(PD_ETOOBIG, "there are more violations than check.todo may hold");
    k->gen.out_dir = k->root;
    return gen_write(&k->gen, PD_STR("check.todo"), pd_buf_str(&b));
}

pd_err check_todo(struct check *k)
{
    pd_str text = PD_STR_NULL;
    bool exists = gen_exists(&k->gen, todo_path(k));
    if (k->opts.only)
        return PD_OK; /* what is not looked at is not mended */
    if (!exists)
        return k->opts.write_todo && k->nfindings ? write_todo(k, false) : PD_OK;
    PD_TRY(gen_read(&k->gen, todo_path(k), &text));
    compare_with(k, text);
    if (!k->opts.write_todo || !k->ngone)
        return PD_OK;
    PD_TRY(write_todo(k, true));
    k->nfindings -= k->ngone; /* they were added last */
    k->ngone = 0;
    return PD_OK;
}

/* --- printing -------------------------------------------------------------------------------- */

static void print_text(const struct check *k, FILE *err)
{
    for (size_t i = 0; i < k->nfindings; i++) {
        const struct check_finding *f = &k->findings[i];
        if (f->known)
            continue;
        fprintf(err, "%.*s", PD_ARG(f->file));
        if (f->line > 0)
            fprintf(err, ":%d", f->line);
        fprintf(err, ": error %s: %.*s\n", f->code, PD_ARG(f->message));
        if (f->remedy.len)
            fprintf(err, "  remedy: %.*s\n", PD_ARG(f->remedy));
    }
}

static void put_member(struct pd_buf *b, const char *name, pd_str value)
{
    pd_buf_fmt(b, "\"%s\":", name);
    pd_json_write_str(b, value);
    pd_buf_put_c(b, ',');
}

static void print_json(struct check *k, size_t errors, FILE *out)
{
    struct pd_buf b;
    pd_buf_init(&b, &k->arena, 64 << 20);
    pd_buf_put(&b, PD_STR("{\"findings\":["));
    for (size_t i = 0; i < k->nfindings; i++) {
        const struct check_finding *f = &k->findings[i];
        pd_buf_put(&b, i ? PD_STR(",\n{") : PD_STR("\n{"));
        put_member(&b, "code", pd_str_c(f->code));
        put_member(&b, "file", f->file);
        pd_buf_fmt(&b, "\"line\":%d,", f->line);
        put_member(&b, "message", f->message);
        put_member(&b, "remedy", f->remedy);
        put_member(&b, "key", f->key);
        pd_buf_fmt(&b, "\"known\":%s}", f->known ? "true" : "false");
    }
    pd_buf_fmt(&b, "],\n\"errors\":%zu,\"known\":%zu,\"build_ms\":%ld,\"check_ms\":%ld}\n", errors,
               k->nknown, (long)(k->build_us / 1000), (long)(k->check_us / 1000));
    fwrite(b.ptr, 1, b.len, out);
}

size_t check_print(struct check *k, FILE *out, FILE *err)
{
    size_t errors = 0, units = 0;
    for (size_t i = 0; i < k->nfindings; i++)
        errors += !k->findings[i].known;
    for (struct check_unit *u = k->units; u; u = u->next)
        units += !u->generated;
    if (k->opts.json) {
        print_json(k, errors, out);
        return errors;
    }
    print_text(k, err);
    fprintf(out,
            "pando check: %zu error%s, %zu known; %zu sources in %.1f s (and %.1f s to build)\n",
            errors, errors == 1 ? "" : "s", k->nknown, units, (double)k->check_us / 1e6,
            (double)k->build_us / 1e6);
    return errors;
}
