/* guard_map.h - memory between two pages that nobody may touch: whoever reads or writes a byte too
 * far dies, in every build. */
#ifndef PD_GUARD_MAP_H
#define PD_GUARD_MAP_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { GUARD_PAGE = 4096 };

/* `room` bytes, a multiple of GUARD_PAGE, near `want` (NULL: anywhere). Ends the process without
 * memory. */
static inline char *guard_map(void *want, size_t room)
{
    char *at = mmap(want, room + 2 * GUARD_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + GUARD_PAGE, room, PROT_READ | PROT_WRITE) != 0) {
        perror("guard_map");
        abort();
    }
    return at + GUARD_PAGE;
}

#endif
