/* str.h - pd_str, the one type for reading text and bytes.
 *
 * A pd_str is a pointer and a length, passed by value. It owns nothing and is not terminated: the
 * bytes belong to whoever made them (usually an arena) and must outlive it. {NULL, 0} is the
 * absent string and also a valid empty one: pd_str_is_null() tells them apart, everything else
 * treats them alike. Text is UTF-8 unless said otherwise.
 *
 * Nothing here allocates, except where an arena is the first parameter. Nothing yields.
 */
#ifndef PANDO_STR_H
#define PANDO_STR_H

#include <pando/err.h>
#include <stdint.h>
#include <string.h>

struct pd_arena;

/* The length stands first so that a bare `.title = "x"` does not compile: the literal would begin
 * the struct, and a pointer is no length. (With the pointer first gcc 12 takes it without a word
 * beside other compound literals, and the text is empty.) */
typedef struct pd_str {
    size_t len;
    const char *ptr;
} pd_str;

#define PD_STR(literal) ((pd_str){ .ptr = "" literal, .len = sizeof(literal) - 1 })
#define PD_STR_INIT(literal)                                                                       \
    {                                                                                              \
        .ptr = "" literal, .len = sizeof(literal) - 1                                              \
    } /* for static initialisers */
#define PD_STR_NULL ((pd_str){ .ptr = NULL })
/* printf("%.*s", PD_ARG(s)) */
#define PD_ARG(s) (int)(s).len, (s).ptr

/* From bytes, and from a terminated string. */
static inline pd_str pd_str_n(const char *ptr, size_t len)
{
    return (pd_str){ .ptr = ptr, .len = len };
}
static inline pd_str pd_str_c(const char *c_string) /* NULL gives the absent string */
{
    return (pd_str){ .ptr = c_string, .len = c_string ? strlen(c_string) : 0 };
}
static inline bool pd_str_is_null(pd_str s)
{
    return s.ptr == NULL;
}
/* Comparisons are byte by byte; an absent string equals an empty one. */
static inline bool pd_str_eq(pd_str a, pd_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool pd_str_starts(pd_str s, pd_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}
static inline bool pd_str_ends(pd_str s, pd_str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}
/* s[from, to): both ends are clamped to the string. */
static inline pd_str pd_str_sub(pd_str s, size_t from, size_t to)
{
    to = to < s.len ? to : s.len;
    from = from < to ? from : to;
    return (pd_str){ .ptr = s.ptr ? s.ptr + from : NULL, .len = to - from };
}

#define PD_NPOS ((size_t)-1)

bool pd_str_eq_nocase(pd_str a, pd_str b); /* ASCII letters only */
int pd_str_cmp(pd_str a, pd_str b);        /* bytewise; <0, 0, >0 */
bool pd_str_eq_ct(pd_str a, pd_str b);     /* in time that depends on the lengths only */
uint64_t pd_str_hash(pd_str s);            /* not keyed: do not use it where users choose keys */
size_t pd_str_find(pd_str s, char c);      /* index, or PD_NPOS */
size_t pd_str_find_str(pd_str s, pd_str needle); /* the same for a text */
pd_str pd_str_trim(pd_str s);                    /* spaces, tabs, CR and LF, both ends */

/* Splits `*rest` at the first `sep`: the part before is stored in *part and *rest moves behind the
 * separator. Returns false when nothing is left. "a,,b" gives "a", "", "b"; "a," gives "a", ""; an
 * empty string gives "", the absent one nothing. */
bool pd_str_split(pd_str *rest, char sep, pd_str *part);

/* Decimal with an optional '-', the whole string, no spaces, no '+', no leading zeros beyond "0".
 * False (and *out untouched) if it is anything else or does not fit. */
bool pd_str_to_i64(pd_str s, int64_t *out);
bool pd_str_to_u64(pd_str s, uint64_t *out);

/* Valid UTF-8: no overlong forms, surrogates, or code points above U+10FFFF. (RFC 3629) */
bool pd_str_is_utf8(pd_str s);
/* Valid UTF-8 without a zero byte: what databases, headers and C take for text. */
bool pd_str_is_text(pd_str s);
/* Number of code points in valid UTF-8. */
size_t pd_str_runes(pd_str s);

/* Copies in the arena, always with a terminating NUL behind len. */
pd_str pd_str_dup(struct pd_arena *a, pd_str s);
char *pd_str_cstr(struct pd_arena *a, pd_str s);   /* a NUL inside cuts it: check first */
pd_str pd_str_lower(struct pd_arena *a, pd_str s); /* ASCII */
pd_str pd_str_fmt(struct pd_arena *a, const char *fmt, ...) PD_PRINTF(2, 3);

#endif
