#include "ring_c/ring_c.h"
#include "ring_a/ring_a.h"
int ring_c(int n)
{
    return n ? ring_a(n - 1) : 0;
}
