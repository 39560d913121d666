/* wire.h - numbers as eight bytes, the lowest first, at any address. Private. */
#ifndef PD_WIRE_H
#define PD_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void pd_wire_put_i64(void *to, int64_t v)
{
    uint64_t bytes = htole64((uint64_t)v);
    memcpy(to, &bytes, sizeof bytes);
}

static inline int64_t pd_wire_get_i64(const void *from)
{
    uint64_t bytes;
    memcpy(&bytes, from, sizeof bytes);
    return (int64_t)le64toh(bytes);
}

#endif
