/* state.c - what must not live in a process. */
#include "shop/inner.h"

int shop_counter;                       //! PD-CHECK-010
static int last_seen = 4;               //! PD-CHECK-010
static const char *names[] = { "a", "b" }; //! PD-CHECK-010
static const char *const fixed[] = { "a", "b" };
static union shop_either { //
    int number;
    char text[4];
} either; //! PD-CHECK-010
static _Thread_local int depth; //! PD-CHECK-012
static __thread char scratch[16]; //! PD-CHECK-012
static struct { int hits; } *stats = &(typeof(*stats)){ 1 }; //! PD-CHECK-010 0:PD-CHECK-010
static volatile int flag; //! PD-CHECK-010
static int (*handler)(int); //! PD-CHECK-010

__attribute__((section(".data.pd_state.77"))) int shop_trick; //! PD-CHECK-010

static int once(void)
{
    static bool done; //! PD-CHECK-011
    {
        static int inner = 7; //! PD-CHECK-011
        inner++;
        done = !done && inner > 9;
    }
    return done;
}

static char *buffer(void)
{
    static _Thread_local char text[32]; //! PD-CHECK-012
    text[0]++;
    return text;
}

PD_STATE("counts for the log only") static unsigned warned;

int shop_state(int n)
{
    PD_STATE("made once from constants") static int table[4];
    table[n & 3]++;
    names[n & 1] = fixed[n & 1];
    either.number += n;
    depth++, flag++, warned++;
    scratch[n & 15]++;
    if (n > 99)
        stats = NULL;
    else if (stats)
        stats->hits++;
    if (handler)
        n = handler(n);
    handler = shop_state;
    last_seen += n;
    shop_counter += (int)shop_count();
    return once() + buffer()[0] + depth + last_seen + names[n & 1][0];
}
