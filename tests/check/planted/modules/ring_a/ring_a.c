#include "ring_a/ring_a.h"
#include "ring_b/ring_b.h" //! PD-CHECK-053
int ring_a(int n)
{
    return n ? ring_b(n - 1) : 0;
}
