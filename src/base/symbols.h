/* symbols.h - from the frames of a crash report to functions and lines, by running addr2line.
 *
 *     struct pd_frame frames[64];
 *     unsigned n = pd_symbols_parse(report, frames, 64);
 *     PD_TRY(pd_symbols_find(arena, frames, n));
 *     for each frame, for each of its places: function, file, line
 *
 * One addr2line per file for all of its frames; all of them together have 10 s, and 1 MiB of output
 * is read of each. A frame has several places if functions were inlined there: the innermost first.
 *
 * Blocking, for as long as addr2line takes (a tenth of a second for a program of a few MB): from a
 * fiber call it by pd_offload.
 */
#ifndef PD_SYMBOLS_H
#define PD_SYMBOLS_H

#include <pando/arena.h>
#include <pando/str.h>

struct pd_place {
    pd_str function; /* null: unknown */
    pd_str file;     /* without "/x/../"; null: unknown */
    int line;        /* 0: unknown */
};

struct pd_frame {
    pd_str object; /* a program or shared library: its file */
    uint64_t offset;
    struct pd_place *places; /* filled by pd_symbols_find; innermost first */
    unsigned nplaces;
};

/* Finds the lines "#N PATH(+0xOFFSET)" in `text` (leading spaces are fine) and returns how many.
 * The paths point into text. What is beyond `max` frames is left out. */
unsigned pd_symbols_parse(pd_str text, struct pd_frame *frames, unsigned max);
/* One such line; false if it is none. */
bool pd_symbols_parse_line(pd_str line, struct pd_frame *out);

/* The frame of an address in the calling process, e.g. from backtrace(); object null if it is in no
 * file. `is_return`: it is a return address: the call before it is meant. */
struct pd_frame pd_symbols_frame(struct pd_arena *a, const void *at, bool is_return);

/* Fills the places of all frames. A file that is gone, or has no debug information, leaves places
 * without file or with no function: that is no error. PD_EUNAVAIL if addr2line cannot be run,
 * PD_ETIME if it took too long; the places found until then stay. */
pd_err pd_symbols_find(struct pd_arena *a, struct pd_frame *frames, unsigned n) PD_MUST;

/* Does the source file belong to the platform, or was it made by `pando gen`? Known by its name; no
 * name is the platform's, too. */
bool pd_symbols_is_platform(pd_str file);

#endif
