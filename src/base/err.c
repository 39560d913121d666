/* err.c - diags and the panic.
 *
 * Each thread has one diag of its own; the scheduler swaps in the diag of the fiber it resumes, so
 * "the calling fiber's diag" is one thread-local pointer. A message is formatted aside first and
 * copied then, because callers often quote the diag they are about to replace.
 *
 * A panic must work when nothing else does: it allocates nothing of its own; crash.c writes its
 * report.
 */
#include "base/crash.h"

#include <errno.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct pd_diag thread_diag;
static _Thread_local struct pd_diag *current;

static const struct err_info {
    const char *name, *text;
    int http, exit;
} infos[PD_ERR_COUNT] = {
    [PD_OK] = { "OK", "no error", 200, 0 },
#define PD_ERR(name, http, exit, level, text) [PD_##name] = { #name, text, http, exit },
#include <pando/err.def>
#undef PD_ERR
};

static struct pd_diag *diag(void)
{
    return current ? current : &thread_diag;
}

static const struct err_info *info(pd_err e)
{
    return &infos[(unsigned)e < PD_ERR_COUNT ? e : PD_EINTERNAL];
}

/* Cuts at a rune's boundary: a message goes into JSON and logs. */
static void copy_cut(char *out, size_t size, const char *text)
{
    size_t n = strnlen(text, size);
    if (n == size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(out, text, n);
    out[n] = '\0';
}

static pd_err start(pd_err code, int err_no, const char *file, int line, const char *message)
{
    struct pd_diag *d = diag();
    copy_cut(d->message, sizeof(d->message), message);
    d->code = code;
    d->os_errno = err_no;
    d->file = file;
    d->line = line;
    d->hint[0] = '\0';
    d->wraps = 0;
    return code;
}

pd_err pd_diag_fail(pd_err code, const char *file, int line, const char *fmt, ...)
{
    char text[PD_DIAG_TEXT + 1];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return start(code, 0, file, line, text);
}

pd_err pd_diag_fail_errno(pd_err code, int err_no, const char *file, int line, const char *fmt, ...)
{
    char text[PD_DIAG_TEXT + 1];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    char why[96];
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(text))
        snprintf(text + used, sizeof(text) - used, ": %s", strerror_r(err_no, why, sizeof(why)));
    return start(code, err_no, file, line, text);
}

pd_err pd_hint(pd_err code, const char *fmt, ...)
{
    char text[PD_DIAG_TEXT + 1];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    copy_cut(diag()->hint, PD_DIAG_TEXT, text);
    return code;
}

pd_err pd_wrap(pd_err code, const char *fmt, ...)
{
    struct pd_diag *d = diag();
    if (d->wraps == PD_DIAG_WRAPS)
        return code;
    char text[sizeof(d->while_doing[0]) + 1];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    copy_cut(d->while_doing[d->wraps++], sizeof(d->while_doing[0]), text);
    return code;
}

const struct pd_diag *pd_diag(void)
{
    return diag();
}

pd_err pd_diag_restore(const struct pd_diag *why)
{
    *diag() = *why;
    return why->code;
}

struct pd_diag *pd_diag_swap(struct pd_diag *d)
{
    struct pd_diag *before = diag();
    current = d;
    return before;
}

__attribute__((format(printf, 4, 5))) static size_t append(char *out, size_t size, size_t at,
                                                           const char *fmt, ...)
{
    if (at >= size)
        return at;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(out + at, size - at, fmt, args);
    va_end(args);
    return n < 0 ? at : at + (size_t)n;
}

void pd_diag_format(const struct pd_diag *d, char *out, size_t size)
{
    if (size == 0)
        return;
    size_t at = append(out, size, 0, "%s", d->message);
    for (unsigned i = 0; i < d->wraps; i++)
        at = append(out, size, at, "%swhile %s", i == 0 ? " (" : "; ", d->while_doing[i]);
    if (d->wraps > 0)
        at = append(out, size, at, ")");
    if (d->hint[0])
        append(out, size, at, ": %s", d->hint);
}

const char *pd_err_name(pd_err e)
{
    return info(e)->name;
}

const char *pd_err_text(pd_err e)
{
    return info(e)->text;
}

int pd_err_http(pd_err e)
{
    return info(e)->http;
}

int pd_err_exit(pd_err e)
{
    return info(e)->exit;
}

pd_err pd_err_from_errno(int err_no)
{
    static const struct {
        int err_no;
        pd_err e;
    } map[] = {
        { 0, PD_OK },
        { EINVAL, PD_EINVAL },
        { EACCES, PD_EDENIED },
        { EPERM, PD_EDENIED },
        { EROFS, PD_EDENIED },
        { ENOENT, PD_ENOTFOUND },
        { ENOTDIR, PD_ENOTFOUND },
        { EEXIST, PD_EEXISTS },
        { ENOTEMPTY, PD_EEXISTS },
        { EAGAIN, PD_EAGAIN },
        { EINPROGRESS, PD_EAGAIN },
        { ETIMEDOUT, PD_ETIME },
        { ECANCELED, PD_ECANCELED },
        { EPIPE, PD_ECLOSED },
        { ECONNRESET, PD_ECLOSED },
        { ECONNABORTED, PD_ECLOSED },
        { ENOTCONN, PD_ECLOSED },
        { ECONNREFUSED, PD_EUNAVAIL },
        { EHOSTUNREACH, PD_EUNAVAIL },
        { ENETUNREACH, PD_EUNAVAIL },
        { EADDRINUSE, PD_EBUSY },
        { EBUSY, PD_EBUSY },
        { ETXTBSY, PD_EBUSY },
        { EMFILE, PD_EOVERLOAD },
        { ENFILE, PD_EOVERLOAD },
        { ENOBUFS, PD_EOVERLOAD },
        { ENOMEM, PD_ENOMEM },
        { ENOSPC, PD_ENOSPACE },
        { EDQUOT, PD_ENOSPACE },
        { EFBIG, PD_ETOOBIG },
        { E2BIG, PD_ETOOBIG },
        { EMSGSIZE, PD_ETOOBIG },
        { ENAMETOOLONG, PD_ETOOBIG },
        { EPROTO, PD_EPROTO },
        { ENOSYS, PD_EUNSUPPORTED },
        { EOPNOTSUPP, PD_EUNSUPPORTED },
        { EAFNOSUPPORT, PD_EUNSUPPORTED },
    };
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (map[i].err_no == err_no)
            return map[i].e;
    return PD_EIO;
}

/* --- panic ------------------------------------------------------------------------ */

static void (*panic_hook)(void (*line)(const char *text));

void pd_panic_hook(void (*hook)(void (*line)(const char *text)))
{
    panic_hook = hook;
}

void pd_panic_at(const char *file, int line, const char *fmt, ...)
{
    char text[1024];
    int n = snprintf(text, sizeof(text), "panic at %s:%d: ", file, line);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
    va_end(args);
    pd_crash_begin(text);
    if (diag()->message[0]) {
        memcpy(text, "last error: ", 12);
        pd_diag_format(diag(), text + 12, sizeof(text) - 12);
        pd_crash_line(text);
    }
    if (panic_hook)
        panic_hook(pd_crash_line);
    void *frames[64];
    int depth = backtrace(frames, 64);
    pd_crash_frames(frames + 1, depth > 1 ? (unsigned)depth - 1 : 0, false);
    pd_crash_end();
    abort();
}
