/* err.h - error codes, and the diagnosis that goes with them.
 *
 *     pd_err load(struct pd_arena *a, pd_str path, pd_str *text)
 *     {
 *         PD_TRY(pd_file_read(a, path, MAX_CONFIG, text));
 *         if (text->len == 0)
 *             return pd_fail(PD_EINVAL, "%.*s is empty", PD_ARG(path));
 *         return PD_OK;
 *     }
 *
 * A function that can fail returns pd_err and is PD_MUST: the compiler refuses to ignore it.
 * The code says what kind of error it is; the *diag* says the rest: message, hint, file:line,
 * errno and what was being done. A diag has fixed storage and is never allocated. There is one
 * per fiber (per thread outside fibers); pd_fail() starts it anew where the error is born,
 * pd_wrap() adds "while doing what" above, and it stays readable until the next pd_fail().
 *
 * Threading: everything here touches only the calling fiber's diag. Nothing yields.
 */
#ifndef PANDO_ERR_H
#define PANDO_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define PD_MUST           __attribute__((warn_unused_result))
#define PD_PRINTF(fmt, n) __attribute__((format(printf, fmt, n)))
/* Part of the prototype of every function that may switch to another fiber. */
#define PD_YIELDS
#define PD_NORETURN __attribute__((noreturn))
#define PD_COLD     __attribute__((cold, noinline))

typedef enum pd_err {
    PD_OK = 0,
#define PD_ERR(name, http, exit, level, text) PD_##name,
#include <pando/err.def>
#undef PD_ERR
    PD_ERR_COUNT
} pd_err;

/* Returns from the calling function if `call` fails. The only macro here that returns. */
#define PD_TRY(call)                                                                               \
    do {                                                                                           \
        pd_err pd_try_err_ = (call);                                                               \
        if (__builtin_expect(pd_try_err_ != PD_OK, 0))                                             \
            return pd_try_err_;                                                                    \
    } while (0)

enum { PD_DIAG_TEXT = 512, PD_DIAG_WRAPS = 4 };

struct pd_diag {
    pd_err code;
    int os_errno;     /* errno where the error was born; 0 if it had none */
    const char *file; /* where it was born */
    int line;
    unsigned wraps;             /* how many of while_doing are filled, innermost first */
    char message[PD_DIAG_TEXT]; /* one line, no full stop */
    char hint[PD_DIAG_TEXT];    /* what the reader can do about it; "" if nothing is known */
    char while_doing[PD_DIAG_WRAPS][128];
};

/* Starts the fiber's diag anew and returns `code`: `return pd_fail(PD_EIO, "cannot open %s", p);`
 */
#define pd_fail(code, ...) pd_diag_fail((code), __FILE__, __LINE__, __VA_ARGS__)
/* Like pd_fail, for a failed system call: notes `err_no` and adds its text to the message. */
#define pd_fail_errno(code, err_no, ...)                                                           \
    pd_diag_fail_errno((code), (err_no), __FILE__, __LINE__, __VA_ARGS__)

/* What the two macros call. */
pd_err pd_diag_fail(pd_err code, const char *file, int line, const char *fmt, ...)
    PD_PRINTF(4, 5) PD_COLD;
pd_err pd_diag_fail_errno(pd_err code, int err_no, const char *file, int line, const char *fmt, ...)
    PD_PRINTF(5, 6) PD_COLD;

/* Sets the remedy shown with the error born last. Returns its code, so that one can write
 * `return pd_hint(pd_fail(…), "…")`. */
pd_err pd_hint(pd_err code, const char *fmt, ...) PD_PRINTF(2, 3) PD_COLD;

/* Adds "while …" to the error born last and returns `code`. Beyond PD_DIAG_WRAPS it is dropped. */
pd_err pd_wrap(pd_err code, const char *fmt, ...) PD_PRINTF(2, 3) PD_COLD;

/* The calling fiber's diag. Never NULL. Valid until the next pd_fail() of this fiber. */
const struct pd_diag *pd_diag(void);

/* Makes a copy taken earlier (`struct pd_diag why = *pd_diag();`) the fiber's diag again, and
 * returns its code: what was done to clean up may have failed in its own way, and is not why. */
pd_err pd_diag_restore(const struct pd_diag *why) PD_COLD;

/* Makes `d` the current diag of this thread and returns the one before. For the scheduler. */
struct pd_diag *pd_diag_swap(struct pd_diag *d);

/* Writes "message (while a; while b): hint" into out, cut to size, always terminated. */
void pd_diag_format(const struct pd_diag *d, char *out, size_t size);

const char *pd_err_name(pd_err e); /* "ETIME"; static storage */
const char *pd_err_text(pd_err e); /* "deadline passed" */
int pd_err_http(pd_err e);         /* HTTP status that answers this error; 200 for PD_OK */
int pd_err_exit(pd_err e);         /* exit code of a process that ends with it */
/* The code that fits an errno; PD_EIO for one that has none. */
pd_err pd_err_from_errno(int err_no);

/* --- assertions --------------------------------------------------------------- */

/* Always on, production too: keep the condition cheap. A failure prints the condition, the fiber,
 * the request and a backtrace, then aborts. */
#define pd_assert(cond)                                                                            \
    (__builtin_expect(!(cond), 0) ? pd_panic_at(__FILE__, __LINE__, "assertion failed: %s", #cond) \
                                  : (void)0)
/* Costly conditions: checked unless NDEBUG. */
#ifdef NDEBUG
#define pd_dassert(cond) ((void)sizeof(cond))
#else
#define pd_dassert(cond) pd_assert(cond)
#endif

/* For what cannot be: prints the message, the fiber, the request and a backtrace, then aborts. */
#define pd_panic(...) pd_panic_at(__FILE__, __LINE__, __VA_ARGS__)
void pd_panic_at(const char *file, int line, const char *fmt, ...)
    PD_PRINTF(3, 4) PD_NORETURN PD_COLD;

/* Called by pd_panic before it aborts, once, with a writer for one line. For higher layers that
 * know the fiber and the request. Process-wide; set at start. */
void pd_panic_hook(void (*hook)(void (*line)(const char *text)));

#endif
