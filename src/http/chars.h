/* chars.h - which bytes may stand where in an HTTP message. Private to this layer. */
#ifndef PD_HTTP_CHARS_H
#define PD_HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PD_CH_TOKEN = 1,  /* methods, header names: RFC 9110 §5.6.2 */
    PD_CH_VALUE = 2,  /* header values: visible, SP, HTAB and bytes >= 0x80 */
    PD_CH_TARGET = 4, /* request targets: visible ASCII but '#' */
    PD_CH_HOST = 8,   /* names and IPv4 in Host: unreserved, '%', sub-delims but ',' */
};
extern const uint8_t pd_http_chars[256];

static inline bool pd_http_is(char c, unsigned class)
{
    return (pd_http_chars[(unsigned char)c] & class) != 0;
}

#endif
