/* log.h - structured logging.
 *
 *     pd_log_info("import done", "rows", rows, "file", path);
 *
 * One event per line, as key=value text (development) or JSON. Keys are literals; values may be any
 * integer, bool, pd_str or const char * (for a pd_err: pd_err_name). The module is taken from the
 * file name, the request id from the running fiber. Control characters are escaped: nothing that a
 * user sends can forge a line. Records go into a bounded ring and are written by a thread of their
 * own: a slow disk never stops a request. When the ring is full records are dropped and counted;
 * the count is logged as soon as there is room again. A record over 8 KiB is cut between two
 * fields. Before pd_log_start() records go to standard error at once.
 *
 * Threading: any thread. Nothing yields, nothing allocates per record.
 */
#ifndef PANDO_LOG_H
#define PANDO_LOG_H

#include <pando/str.h>
#include <pando/value.h>

enum pd_log_level { PD_LOG_DEBUG, PD_LOG_INFO, PD_LOG_WARN, PD_LOG_ERROR };

struct pd_log_opts {
    int fd;                  /* where to; default 2 */
    enum pd_log_level level; /* least level written; default PD_LOG_DEBUG (0) */
    bool json;               /* JSON lines instead of text */
    bool sync;               /* write in the caller: tests and command-line tools */
    uint32_t ring_bytes;     /* per process; default 1 MiB; power of two */
};

struct pd_log_value {
    enum { PD_LV_I64, PD_LV_U64, PD_LV_BOOL, PD_LV_STR, PD_LV_ERR } kind;
    union {
        int64_t i;
        uint64_t u;
        bool b;
        pd_str s;
        pd_err e;
    };
};
struct pd_log_field {
    const char *key;
    struct pd_log_value value;
};

void pd_log_start(const struct pd_log_opts *opts); /* once, before threads; NULL = defaults */
/* Writes what is in the ring; gives up after two seconds if nobody takes it (a pipe that is full, a
 * terminal that was stopped). */
void pd_log_stop(void);
uint64_t pd_log_dropped(void); /* records, since the start */
/* Takes the time of records from `clock` instead of the system's: for the simulation. NULL undoes.
 */
void pd_log_clock(pd_time (*clock)(void));
/* Gives each record also to `tap`, as it is written, in the thread that made it: for what shows the
 * lines of one unit of work. It must not log. Set before threads; NULL undoes. */
void pd_log_tap(void (*tap)(pd_str line));
/* Sets what identifies the current unit of work in each record (a request id); "" for none.
 * The scheduler keeps it per fiber: the pointer must stay valid while it is set. */
void pd_log_context(pd_str id);
pd_str pd_log_context_get(void);

/* What the macros below call. */
void pd_log_write(enum pd_log_level level, const char *file, const char *event,
                  const struct pd_log_field *fields, unsigned n);
/* A line that is already formatted: '\n' added, control characters escaped. */
void pd_log_raw(pd_str line);
/* Lines that are ready to be written, each with its '\n' and nothing else that is not printable:
 * the caller has made sure of it. At most half the ring; they are written together or dropped
 * together. */
void pd_log_lines(pd_str lines);
/* Logs the fiber's diag. */
void pd_log_diag(enum pd_log_level level, const char *event);

/* --- private: how the macros make their fields ------------------------------------------------ */

static inline struct pd_log_value pd_lv_i64(int64_t v)
{
    return (struct pd_log_value){ PD_LV_I64, { .i = v } };
}
static inline struct pd_log_value pd_lv_u64(uint64_t v)
{
    return (struct pd_log_value){ PD_LV_U64, { .u = v } };
}
static inline struct pd_log_value pd_lv_bool(bool v)
{
    return (struct pd_log_value){ PD_LV_BOOL, { .b = v } };
}
static inline struct pd_log_value pd_lv_str(pd_str v)
{
    return (struct pd_log_value){ PD_LV_STR, { .s = v } };
}
static inline struct pd_log_value pd_lv_c(const char *v)
{
    return (struct pd_log_value){ PD_LV_STR, { .s = pd_str_c(v) } };
}
static inline struct pd_log_value pd_lv_err(pd_err v)
{
    return (struct pd_log_value){ PD_LV_ERR, { .e = v } };
}

#define PD_LV(v)                                                                                   \
    _Generic((v), bool: pd_lv_bool, pd_str: pd_lv_str, const char *: pd_lv_c, char *: pd_lv_c,     \
        unsigned: pd_lv_u64, unsigned long: pd_lv_u64, unsigned long long: pd_lv_u64,              \
        default: pd_lv_i64)(v)
#define PD_LF(k, v)                                                                                \
    {                                                                                              \
        "" k, PD_LV(v)                                                                             \
    }
#define PD_LF_0()
#define PD_LF_2(k, v)                                                                 PD_LF(k, v),
#define PD_LF_4(k, v, ...)                                                            PD_LF(k, v), PD_LF_2(__VA_ARGS__)
#define PD_LF_6(k, v, ...)                                                            PD_LF(k, v), PD_LF_4(__VA_ARGS__)
#define PD_LF_8(k, v, ...)                                                            PD_LF(k, v), PD_LF_6(__VA_ARGS__)
#define PD_LF_10(k, v, ...)                                                           PD_LF(k, v), PD_LF_8(__VA_ARGS__)
#define PD_LF_12(k, v, ...)                                                           PD_LF(k, v), PD_LF_10(__VA_ARGS__)
#define PD_LF_PICK(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, name, ...) name
#define PD_LF_ALL(...)                                                                             \
    PD_LF_PICK(0, ##__VA_ARGS__, PD_LF_12, odd, PD_LF_10, odd, PD_LF_8, odd, PD_LF_6, odd,         \
               PD_LF_4, odd, PD_LF_2, odd, PD_LF_0)                                                \
    (__VA_ARGS__)
#define pd_log_at(level, event, ...)                                                               \
    do {                                                                                           \
        const struct pd_log_field pd_log_fields_[] = { PD_LF_ALL(__VA_ARGS__){ NULL, { 0 } } };    \
        pd_log_write((level), __FILE__, "" event, pd_log_fields_,                                  \
                     sizeof(pd_log_fields_) / sizeof(pd_log_fields_[0]) - 1);                      \
    } while (0)

/* --- logging ---------------------------------------------------------------------------------- */

/* pd_log_info("event", "key", value, …): up to six fields. Below the level that is
 * logged nothing is formatted. */
#define pd_log_debug(event, ...) pd_log_at(PD_LOG_DEBUG, event, ##__VA_ARGS__)
#define pd_log_info(event, ...)  pd_log_at(PD_LOG_INFO, event, ##__VA_ARGS__)
#define pd_log_warn(event, ...)  pd_log_at(PD_LOG_WARN, event, ##__VA_ARGS__)
#define pd_log_error(event, ...) pd_log_at(PD_LOG_ERROR, event, ##__VA_ARGS__)

#endif
