/* sanitize.h - marking memory for AddressSanitizer, and poison for debug builds. Private to base.
 *
 * pd_poison() makes memory useless until it is handed out again: unaddressable under ASan, filled
 * with 0xDD in other debug builds, untouched in release builds.
 */
#ifndef PD_SANITIZE_H
#define PD_SANITIZE_H

#include <stddef.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define PD_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PD_ASAN 1
#endif
#endif

#ifdef PD_ASAN
#include <sanitizer/asan_interface.h>
enum { PD_ASAN_GAP = 16 }; /* left unaddressable behind each block of an arena */
#define pd_asan_poison(p, n)   __asan_poison_memory_region((p), (n))
#define pd_asan_unpoison(p, n) __asan_unpoison_memory_region((p), (n))
#define pd_poison(p, n)        pd_asan_poison(p, n)
#else
enum { PD_ASAN_GAP = 0 };
#define pd_asan_poison(p, n)   ((void)(p), (void)(n))
#define pd_asan_unpoison(p, n) ((void)(p), (void)(n))
#ifdef NDEBUG
#define pd_poison(p, n) ((void)(p), (void)(n))
#else
#define pd_poison(p, n) ((void)memset((p), 0xdd, (n)))
#endif
#endif

#endif
