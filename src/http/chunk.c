/* chunk.c - the states of a chunked body, one byte of framing at a time.
 *
 *     SIZE -> [EXT_NAME -> EXT_VALUE | QUOTED]* -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE …
 *     and behind the chunk of size 0:  LINE -> [NAME -> VALUE -> VALUE_LF -> LINE]* -> END_LF
 *
 * Framing bytes are few, so each goes through step(), which returns the next state; data is not
 * looked at but handed out as a slice. Published decoders went wrong in the corners (a bare ';', a
 * NUL in an extension, a size that overflows, a lone LF, a space before the size); here each of
 * them ends in BAD simply because no state has an edge for it.
 */
#include "http/chunk.h"
#include "http/chars.h"

enum { MAX_EXT = 4096, MAX_TRAILER = 8192, MAX_DIGITS = 16 };

enum state {
    SIZE, /* must be 0 */
    SIZE_LF,
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_VALUE,
    QUOTED,
    QUOTED_PAIR,
    QUOTED_END,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    END,
    BAD,
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum state step_size(struct pd_chunk *c, char b)
{
    int digit = hex(b);
    if (digit >= 0) {
        if (c->digits == MAX_DIGITS)
            return BAD;
        c->digits++;
        c->left = c->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (c->digits == 0 || c->left > INT64_MAX)
        return BAD;
    return b == ';' ? EXT_NAME_FIRST : b == '\r' ? SIZE_LF : BAD;
}

static enum state step_ext(struct pd_chunk *c, enum state s, char b)
{
    if (++c->ext_bytes > MAX_EXT)
        return BAD;
    bool token = pd_http_is(b, PD_CH_TOKEN);
    bool value = pd_http_is(b, PD_CH_VALUE);
    switch (s) {
    case EXT_NAME_FIRST: return token ? EXT_NAME : BAD;
    case EXT_VALUE_FIRST: return token ? EXT_VALUE : b == '"' ? QUOTED : BAD;
    case QUOTED: return b == '"' ? QUOTED_END : b == '\\' ? QUOTED_PAIR : value ? QUOTED : BAD;
    case QUOTED_PAIR: return value ? QUOTED : BAD;
    case EXT_NAME:
        if (b == '=')
            return EXT_VALUE_FIRST;
        break;
    default: break;
    }
    if (token && s != QUOTED_END)
        return s;
    return b == ';' ? EXT_NAME_FIRST : b == '\r' ? SIZE_LF : BAD;
}

static enum state step_trailer(struct pd_chunk *c, enum state s, char b)
{
    if (++c->trailer_bytes > MAX_TRAILER)
        return BAD;
    switch (s) {
    case LINE: return b == '\r' ? END_LF : pd_http_is(b, PD_CH_TOKEN) ? NAME : BAD;
    case NAME: return b == ':' ? VALUE : pd_http_is(b, PD_CH_TOKEN) ? NAME : BAD;
    case VALUE: return b == '\r' ? VALUE_LF : pd_http_is(b, PD_CH_VALUE) ? VALUE : BAD;
    case VALUE_LF: return b == '\n' ? LINE : BAD;
    default: return b == '\n' ? END : BAD;
    }
}

static enum state step(struct pd_chunk *c, enum state s, char b)
{
    if (s == SIZE)
        return step_size(c, b);
    if (s == SIZE_LF)
        return b != '\n' ? BAD : c->left ? DATA : LINE;
    if (s < DATA)
        return step_ext(c, s, b);
    if (s == DATA_CR)
        return b == '\r' ? DATA_LF : BAD;
    if (s == DATA_LF) {
        c->digits = 0;
        return b == '\n' ? SIZE : BAD;
    }
    return step_trailer(c, s, b);
}

enum pd_chunk_step pd_chunk_feed(struct pd_chunk *c, const char *in, size_t n, size_t *used,
                                 pd_str *data)
{
    enum state s = (enum state)c->state;
    size_t i = 0;
    while (i < n && s != DATA && s < END)
        s = step(c, s, in[i++]);
    *used = i;
    c->state = (uint8_t)s;
    if (s >= END)
        return s == END ? PD_CHUNK_END : PD_CHUNK_BAD;
    if (s != DATA || i == n)
        return PD_CHUNK_MORE;

    size_t piece = n - i < c->left ? n - i : (size_t)c->left;
    *data = pd_str_n(in + i, piece);
    *used = i + piece;
    c->left -= piece;
    c->state = c->left ? DATA : DATA_CR;
    return PD_CHUNK_DATA;
}

uint64_t pd_chunk_announced(const struct pd_chunk *c)
{
    return c->state == DATA ? c->left : 0;
}
