/* put.h - text appended to a buffer, for the programs that do without pando: room is the caller's
 * business, each gives the end of what it wrote. */
#ifndef PUT_H
#define PUT_H

#include "bare.h"
#include <string.h>

static inline char *put_bytes(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

static inline char *put(char *to, const char *text)
{
    return put_bytes(to, text, strlen(text));
}

static inline char *put_number(char *to, uint64_t v)
{
    char digits[20];
    int at = sizeof digits;
    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    return put_bytes(to, digits + at, sizeof digits - (size_t)at);
}

/* --- JSON ------------------------------------------------------------------------------------- */

enum { WORLD_BYTES = 80 }; /* at most, with a comma */

static inline char *put_world(char *to, const struct world *w)
{
    to = put_number(put(to, "{\"id\":\""), w->id);
    to = put_number(put(to, "\",\"random_number\":"), w->random_number);
    return put(to, "}");
}

static inline char *put_worlds(char *to, const struct world *all)
{
    to = put(to, "{\"worlds\":[");
    for (int i = 0; i < MANY; i++)
        to = put_world(i ? put(to, ",") : to, &all[i]);
    return put(to, "]}");
}

#endif
