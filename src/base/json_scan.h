/* json_scan.h - JSON token by token, over text that is known to be UTF-8. Private to base.
 *
 * Every function returns false at a syntax error and says what in `error`; `at` is the place. Each
 * scans what its name says, from exactly there: white space is the caller's.
 */
#ifndef PD_JSON_SCAN_H
#define PD_JSON_SCAN_H

#include <pando/str.h>

enum { PD_JSON_DEPTH_MAX = 32 };

struct pd_json_scan {
    const char *at, *end;
    const char *error; /* NULL: none so far */
    unsigned depth;    /* of the array or object `at` is in */
};

struct pd_json_string {
    pd_str raw; /* between the quotes */
    bool escaped;
};
struct pd_json_number {
    pd_str raw;
    bool whole; /* without fraction and exponent */
};

/* The byte at `at`, or NUL at the end (a NUL in the text is an error everywhere). */
static inline char pd_json_peek(const struct pd_json_scan *s)
{
    return s->at < s->end ? *s->at : '\0';
}

bool pd_json_fail(struct pd_json_scan *s, const char *error) PD_COLD; /* false */
void pd_json_space(struct pd_json_scan *s);
bool pd_json_expect(struct pd_json_scan *s, char c,
                    const char *error); /* c, with space around it */
/* One level deeper, behind the bracket and space; *more: not at `close`, else that is taken, too.
 */
bool pd_json_enter(struct pd_json_scan *s, char close, bool *more);
/* After a value in an array or object: true and *more at a comma, true and !*more at `close`. */
bool pd_json_next(struct pd_json_scan *s, char close, bool *more);
bool pd_json_scan_literal(struct pd_json_scan *s,
                          pd_str word); /* false without error if it differs */
bool pd_json_scan_string(struct pd_json_scan *s, struct pd_json_string *out);
bool pd_json_scan_number(struct pd_json_scan *s, struct pd_json_number *out);
bool pd_json_skip(struct pd_json_scan *s); /* any value */

/* The text a scanned string stands for: a slice of the input, or decoded into the arena. */
pd_str pd_json_decode(struct pd_arena *a, struct pd_json_string string);

#endif
