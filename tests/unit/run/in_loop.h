/* in_loop.h - runs a test's body in a fiber of a fresh loop, on either backend. */
#ifndef IN_LOOP_H
#define IN_LOOP_H

#include "run/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* cmocka's assertions jump out of the test: never from a fiber. A body checks with this instead,
 * and the test fails once the loop is gone; it says so at once, in case it never gets there. */
extern const char *in_loop_failed;
#define check(cond)                                                                                \
    do {                                                                                           \
        if (!(cond) && !in_loop_failed) {                                                          \
            in_loop_failed = IN_LOOP_AT(__LINE__) #cond;                                           \
            fprintf(stderr, "ERROR: %s\n", in_loop_failed);                                        \
        }                                                                                          \
    } while (0)
#define IN_LOOP_TEXT(x) #x
#define IN_LOOP_AT(x)   __FILE__ ":" IN_LOOP_TEXT(x) ": "

#define IN_LOOP_MAIN                                                                               \
    const char *in_loop_failed;                                                                    \
    static pd_err in_loop_call(void *arg)                                                          \
    {                                                                                              \
        void (*body)(void) = *(void (**)(void))arg;                                                \
        body();                                                                                    \
        return PD_OK;                                                                              \
    }                                                                                              \
    static void in_loop(void (*body)(void))                                                        \
    {                                                                                              \
        in_loop_failed = NULL;                                                                     \
        check(pd_loop_main(NULL, in_loop_call, &body) == PD_OK);                                   \
        if (in_loop_failed)                                                                        \
            fail_msg("%s", in_loop_failed);                                                        \
    }

#define LOOP_TEST(name)                                                                            \
    static void name##_body(void);                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        in_loop(name##_body);                                                                      \
    }                                                                                              \
    static void name##_body(void)

#endif
