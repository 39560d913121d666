/* block.c - blocks for harnesses that are linked to a fuzzer: AddressSanitizer knows their ends. */
#include "fuzz.h"

char *fuzz_block(const char *bytes, size_t n)
{
    char *block = malloc(n ? n : 1);
    pd_assert(block);
    if (n)
        memcpy(block, bytes, n);
    return block;
}

void fuzz_free(char *block)
{
    free(block);
}
