/* crash.h - the report of a dying process: for people on a terminal, and for the tools that read
 * it.
 *
 *     === pando crash report
 *     SIGSEGV: the address 0x8 cannot be read or written: a member of a NULL pointer?
 *     in fiber "http" (GET /accounts/7)
 *     last error: …                               if one was noted in this fiber
 *     curl -i 'http://localhost:8080/accounts/7'  development only
 *       #0 /srv/shop/build/shop(+0x1a2b3)
 *       #1 …
 *     where:                                      development only: what addr2line makes of them
 *     show_account at /srv/shop/modules/ledger/ledger.c:12
 *     === end of crash report
 *
 * Frames are offsets into the files on disk, as addr2line takes them; those of callers point into
 * the call, not behind it (symbols.h turns them into lines). Who writes a report calls begin, line
 * and frames, end, and then ends the process. Between begin and end everything must be
 * async-signal-safe, as these functions are: no allocation, no lock.
 *
 * Threading: the first thread to begin tells its story; another waits for it and ends.
 */
#ifndef PD_CRASH_H
#define PD_CRASH_H

#include <pando/err.h>

/* Notes which files are mapped where and loads the unwinder, neither of which a signal handler may
 * do. Call it before threads start; again is fine. */
void pd_crash_prepare(void);
/* From now on reports name functions and lines by themselves, by running addr2line: development. */
void pd_crash_resolve(bool on);

/* Returns once per process. A second failure of the same thread while it reports ends the report
 * where it is and aborts. */
void pd_crash_begin(const char *message) PD_COLD;
void pd_crash_line(const char *text);
/* `first_is_pc`: frame 0 is where the program stood; all others are return addresses. */
void pd_crash_frames(void *const *frames, unsigned n, bool first_is_pc);
/* Writes what has been gathered. The caller ends the process. */
void pd_crash_end(void);
/* True once a report has been finished: what abort() raises afterwards is no second crash. */
bool pd_crash_told(void);

#endif
