/* bare.h - what the two halves of the bare program share: bare_pq.c (statements) and bare_http.c.
 */
#ifndef BARE_H
#define BARE_H

#include <stdint.h>

enum { WORLDS = 10000, MANY = 20 };

struct world {
    uint64_t id, random_number;
};

/* Reads n rows in one flight: that of `id` and those that follow it by the benchmark's rule. Ends
 * the program if the database does not answer as it should. */
void bare_read(uint64_t id, int n, struct world *out);

/* Answers /none, /world/ID and /worlds/ID on 127.0.0.1 until the process is ended. */
_Noreturn void bare_serve(uint16_t port);

#endif
