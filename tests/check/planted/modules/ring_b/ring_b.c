#include "ring_b/ring_b.h"
#include "ring_c/ring_c.h"
int ring_b(int n)
{
    return n ? ring_c(n - 1) : 0;
}
