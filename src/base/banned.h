/* banned.h - functions that do not compile in pando, with what to use instead.
 *
 * Included before every source by the build (-include). The headers that declare the functions come
 * first, so that only their use is an error. The message reads "…__is_banned__use_…".
 */
#ifndef PD_BANNED_H
#define PD_BANNED_H
#ifndef __ASSEMBLER__ /* it is put before .S files, too */

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PD_BANNED(name, instead) name##__is_banned__use_##instead

#undef strcpy
#define strcpy(...) PD_BANNED(strcpy, pd_str_dup_or_pd_buf_put)
#undef strncpy
#define strncpy(...) PD_BANNED(strncpy, memcpy_with_a_length)
#undef strcat
#define strcat(...) PD_BANNED(strcat, pd_buf_put)
#undef strncat
#define strncat(...) PD_BANNED(strncat, pd_buf_put)
#undef sprintf
#define sprintf(...) PD_BANNED(sprintf, snprintf_or_pd_buf_fmt)
#undef vsprintf
#define vsprintf(...) PD_BANNED(vsprintf, vsnprintf)
#undef strtok
#define strtok(...) PD_BANNED(strtok, pd_str_split)
#undef gets
#define gets(...) PD_BANNED(gets, fgets)
#undef atoi
#define atoi(...) PD_BANNED(atoi, pd_str_to_i64)
#undef localtime
#define localtime(...) PD_BANNED(localtime, pd_time_civil)
#undef gmtime
#define gmtime(...) PD_BANNED(gmtime, pd_time_civil)
#undef ctime
#define ctime(...) PD_BANNED(ctime, pd_time_format)
#undef asctime
#define asctime(...) PD_BANNED(asctime, pd_time_format)
#undef system
#define system(...) PD_BANNED(system, posix_spawn)
#undef alloca
#define alloca(...) PD_BANNED(alloca, pd_arena_alloc)

#endif
#endif
