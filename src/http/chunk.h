/* chunk.h - decoder of chunked bodies (RFC 9112 §7.1): a state machine fed with any split of bytes.
 *
 *     struct pd_chunk c = { 0 };
 *     while ((step = pd_chunk_feed(&c, in, n, &used, &data)) == PD_CHUNK_DATA) {
 *         … data points into `in`
 *         in += used, n -= used;
 *     }
 *     // MORE: all of in is used up, read on; END: the body ended, in + used is the next message
 *
 * Strict: sizes are 1 to 16 hex digits and nothing else; extensions only as ";name[=value]" and at
 * most 4 KiB of them in a body; CRLF everywhere; trailers must be well-formed lines, at most 8 KiB,
 * and are dropped.
 *
 * Invariant: the data and the verdict do not depend on the split. Nothing is allocated or copied.
 */
#ifndef PD_HTTP_CHUNK_H
#define PD_HTTP_CHUNK_H

#include <pando/str.h>

enum pd_chunk_step { PD_CHUNK_MORE, PD_CHUNK_DATA, PD_CHUNK_END, PD_CHUNK_BAD };

struct pd_chunk {  /* zero-initialised: before the first size; the fields are private */
    uint64_t left; /* of the size line: value so far; of the data: bytes to come */
    uint16_t ext_bytes, trailer_bytes;
    uint8_t digits, state;
};

/* Reads from in[0, n) up to the next piece of data, the end of the body or the end of `in`. `used`
 * is how much was taken, the data included. After END or BAD it must not be called again. */
enum pd_chunk_step pd_chunk_feed(struct pd_chunk *c, const char *in, size_t n, size_t *used,
                                 pd_str *data);

/* Bytes of data that the current chunk still announces: what lies over a limit can be refused
 * before it is read. 0 between chunks. */
uint64_t pd_chunk_announced(const struct pd_chunk *c);

#endif
