/* sanitize.h - telling AddressSanitizer, ThreadSanitizer and valgrind which stack we are on.
 *
 * Each context (a fiber, or the loop itself) has a struct pd_san. Around every switch:
 *
 *     pd_san_leave(&from->san, &to->san, ending);
 *     pd_switch(…);
 *     pd_san_arrive(&me->san);              // now back in, or newly in, `me`
 *
 * `ending`: the fiber has no frames left that will be used again; ASan drops its fake stack.
 * All of it is empty in a plain build.
 */
#ifndef PD_RUN_SANITIZE_H
#define PD_RUN_SANITIZE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PD_RUN_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define PD_RUN_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define PD_RUN_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define PD_RUN_TSAN 1
#endif

#if defined(PD_RUN_ASAN) || defined(PD_RUN_TSAN)
enum { PD_RUN_SANITIZED = 1 };
#else
enum { PD_RUN_SANITIZED = 0 };
#endif

struct pd_san {
    const void *low; /* of the stack; for the loop it is learnt at the first arrival in a fiber */
    size_t size;
    void *fake;
    void *tsan;
    sigset_t mask; /* of the thread, while TSan is told */
    unsigned valgrind;
};

/* Calls fn when a sanitizer ends the process, after its own report. */
#if defined(PD_RUN_ASAN) || defined(PD_RUN_TSAN)
#include <sanitizer/common_interface_defs.h>
#define PD_SAN_ON_DEATH(fn) __sanitizer_set_death_callback(fn)
#else
#define PD_SAN_ON_DEATH(fn) ((void)0)
#endif

#ifdef PD_RUN_ASAN
enum { PD_RUN_STACK_FACTOR = 4 }; /* frames are fatter */
#else
enum { PD_RUN_STACK_FACTOR = 1 };
#endif

#if defined(PD_RUN_ASAN)
static inline void pd_san_leave(struct pd_san *from, const struct pd_san *to, bool ending)
{
    __sanitizer_start_switch_fiber(ending ? NULL : &from->fake, to->low, to->size);
    if (ending)
        from->fake = NULL;
}
/* A frame of its own, without red zones: a fiber that ends leaves the function that switched for
 * ever, and what ASan has poisoned around the locals there would stay so, under whoever is given
 * these addresses next. */
__attribute__((noinline, unused, no_sanitize("address"))) static void
pd_san_arrive(struct pd_san *me, struct pd_san *from)
{
    const void *low;
    size_t size;
    __sanitizer_finish_switch_fiber(me->fake, &low, &size);
    if (!from->low) {
        from->low = low;
        from->size = size;
    }
}
#elif defined(PD_RUN_TSAN)
#include <sanitizer/tsan_interface.h>
/* Inlined into the switching function and not instrumented itself: TSan keeps a shadow stack of
 * entries and exits, which must not see half a call.
 *
 * What a signal's handler would do TSan puts off until the context in which it came makes a call
 * that TSan knows. It may not make one for long: the loop would wait, and nobody wake it. So no
 * signal comes between its last such call and the switch. */
__attribute__((no_sanitize("thread"), always_inline)) static inline void
pd_san_leave(struct pd_san *from, const struct pd_san *to, bool ending)
{
    (void)ending;
    if (!from->tsan)
        from->tsan = __tsan_get_current_fiber();
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &from->mask);
    __tsan_switch_to_fiber(to->tsan, 0);
}
static inline void pd_san_arrive(struct pd_san *me, struct pd_san *from)
{
    (void)me;
    pthread_sigmask(SIG_SETMASK, &from->mask, NULL);
}
#else
static inline void pd_san_leave(struct pd_san *from, const struct pd_san *to, bool ending)
{
    (void)from, (void)to, (void)ending;
}
static inline void pd_san_arrive(struct pd_san *me, struct pd_san *from)
{
    (void)me, (void)from;
}
#endif

#ifdef PD_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) ((void)(low), (void)(high), 0u)
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#define RUNNING_ON_VALGRIND                0
#define VALGRIND_DISABLE_ERROR_REPORTING   ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING    ((void)0)
#endif

#ifdef PD_RUN_TSAN
#define PD_SAN_TSAN_NEW()   __tsan_create_fiber(0)
#define PD_SAN_TSAN_FREE(t) __tsan_destroy_fiber(t)
#else
#define PD_SAN_TSAN_NEW()   NULL
#define PD_SAN_TSAN_FREE(t) ((void)(t))
#endif

static inline void pd_san_stack_new(struct pd_san *s, const char *low, size_t size)
{
    s->low = low;
    s->size = size;
    s->tsan = PD_SAN_TSAN_NEW();
    s->valgrind = VALGRIND_STACK_REGISTER(low, low + size);
}
static inline void pd_san_stack_free(struct pd_san *s)
{
    PD_SAN_TSAN_FREE(s->tsan);
    VALGRIND_STACK_DEREGISTER(s->valgrind);
}

#endif
