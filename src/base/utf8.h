/* utf8.h - UTF-8 one rune at a time, for code that walks over text (JSON, log). Private to base. */
#ifndef PD_UTF8_H
#define PD_UTF8_H

#include <pando/str.h>

/* Length in bytes (1-4) of the well-formed rune at ptr; 0 if it is malformed or cut off. len > 0.
 */
size_t pd_utf8_rune(const char *ptr, size_t len);

/* How many bytes from the beginning are well-formed: s.len if all are. */
size_t pd_utf8_valid_len(pd_str s);

#endif
