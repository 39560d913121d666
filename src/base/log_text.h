/* log_text.h - how a log record looks: the two formats, and escaping. Private to base. */
#ifndef PD_LOG_TEXT_H
#define PD_LOG_TEXT_H

#include <pando/buf.h>
#include <pando/log.h>
#include <pando/value.h>

struct pd_log_format {
    void (*begin)(struct pd_buf *b, pd_time t, enum pd_log_level level, const char *file,
                  const char *event);
    void (*field)(struct pd_buf *b, const char *key, const struct pd_log_value *v);
    void (*end)(struct pd_buf *b); /* with the newline */
};
extern const struct pd_log_format pd_log_text, pd_log_json;

/* Puts `s` with everything escaped that could end a line or steer a terminal. */
void pd_log_put_printable(struct pd_buf *b, pd_str s);

#endif
