/* urlencoded.h - names and values as queries, forms and multipart bodies carry them.
 *
 * All three are read into one list of pairs, which is then bound to a shape (form.c). Reading is
 * strict: a broken escape, a NUL, text that is not UTF-8, or more than the limits below is an error
 * and gives nothing. Nothing yields.
 */
#ifndef PD_URLENCODED_H
#define PD_URLENCODED_H

#include <pando/arena.h>
#include <pando/str.h>

enum {
    PD_PAIRS_MAX = 256,      /* fields of a form */
    PD_PAIR_NAME_MAX = 128,  /* bytes of a field's name */
    PD_PART_HEAD_MAX = 4096, /* bytes of the header lines of a multipart part */
};

struct pd_pair {
    pd_str name, value;
};
struct pd_pairs {
    struct pd_pair *at;
    unsigned n;
};

/* "a=1&b=two+words". Empty pieces ("a=1&&b=2") are skipped. PD_ESYNTAX, PD_ETOOBIG. */
pd_err pd_urlencoded_read(struct pd_arena *a, pd_str text, struct pd_pairs *out) PD_MUST;

/* The first value of that name, decoded; null if absent or if it cannot be decoded. For single
 * look-ups in a query that may hold anything. */
pd_str pd_urlencoded_get(struct pd_arena *a, pd_str text, pd_str name);

/* multipart/form-data (RFC 7578). Parts with a file name are passed over: files are for streaming
 * routes. `content_type` is the whole header value. PD_ESYNTAX, PD_ETOOBIG. */
pd_err pd_multipart_read(struct pd_arena *a, pd_str content_type, pd_str body,
                         struct pd_pairs *out) PD_MUST;

/* A parameter of a header value: `form-data; name="a b"`, "name" -> a b. Null if absent or
 * malformed. Backslash escapes inside quotes are refused (null): browsers send %22. */
pd_str pd_header_param(pd_str value, pd_str name);

#endif
