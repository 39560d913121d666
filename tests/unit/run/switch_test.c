/* switch_test.c - the context switch alone, with nothing else of pando: every register that the ABI
 * says is kept is kept. Also cross-compiled and run under an emulator by switch_cross_test.sh, so
 * it prints and returns instead of using a test library.
 */
#include "run/switch.h"

#include <stdint.h>
#include <stdio.h>

static _Alignas(16) char stacks[2][64 << 10];
static void *loop_sp, *fiber_sp[2];
static unsigned passes[2];

/* Enough live values, integer and floating, to fill all callee-saved registers across the switch.
 */
static int keeps_registers(unsigned who, unsigned round)
{
    volatile uint64_t seed = 1000u * who + round;
    uint64_t a = seed + 1, b = seed + 2, c = seed + 3, d = seed + 4, e = seed + 5, f = seed + 6,
             g = seed + 7, h = seed + 8, i = seed + 9, j = seed + 10, k = seed + 11;
    double p = (double)seed + .5, q = p + 1, r = p + 2, s = p + 3, t = p + 4, u = p + 5, v = p + 6,
           w = p + 7, x = p + 8;
    pd_switch(&fiber_sp[who], loop_sp);
    return a == seed + 1 && b == seed + 2 && c == seed + 3 && d == seed + 4 && e == seed + 5 &&
           f == seed + 6 && g == seed + 7 && h == seed + 8 && i == seed + 9 && j == seed + 10 &&
           k == seed + 11 && q == p + 1 && r == p + 2 && s == p + 3 && t == p + 4 && u == p + 5 &&
           v == p + 6 && w == p + 7 && x == p + 8 && p == (double)seed + .5;
}

static void body(void *arg)
{
    unsigned who = (unsigned)(uintptr_t)arg;
    _Alignas(16) volatile char aligned[16];
    if ((uintptr_t)aligned % 16 != 0) /* movaps would trap */
        passes[who] = 1000000;
    for (unsigned round = 0;; round++)
        passes[who] += keeps_registers(who, round) ? 1 : 1000000;
}

int main(void)
{
    enum { ROUNDS = 1000 };
    for (uintptr_t who = 0; who < 2; who++)
        fiber_sp[who] =
            pd_switch_init(stacks[who], stacks[who] + sizeof stacks[who], body, (void *)who);
    for (unsigned round = 0; round <= ROUNDS; round++)
        for (unsigned who = 0; who < 2; who++)
            pd_switch(&loop_sp, fiber_sp[who]);
    printf("%u %u of %d rounds kept all registers\n", passes[0], passes[1], ROUNDS);
    return passes[0] == ROUNDS && passes[1] == ROUNDS ? 0 : 1;
}
