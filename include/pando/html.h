/* html.h - what compiled templates call. Written by `pando gen`; authors need not read it.
 *
 * Escaping is chosen by the template compiler from the place of the value in the document: text,
 * quoted attribute, or URL attribute (href, src, action, …). There is no other way to write a
 * value.
 *
 * What a function writes keeps the HTML tokenizer in the state it was in, whatever the value. Bytes
 * that are not UTF-8 are passed through (text and attributes) or percent-encoded (components).
 * Nothing here allocates but the buffer, and nothing yields. Any thread.
 */
#ifndef PANDO_HTML_H
#define PANDO_HTML_H

#include <pando/buf.h>
#include <pando/value.h>

/* The template's own HTML. Neither inline, as pd_buf_put is, nor a pd_str: a page has a hundred of
 * these, and a call with a pointer and a number is compiled in a third less time. */
void pd_html_raw(struct pd_buf *b, const char *html, size_t len);
void pd_html_text(struct pd_buf *b, pd_str s); /* & < > */
void pd_html_attr(struct pd_buf *b, pd_str s); /* & < > " ' */
/* A whole URL in an attribute. Without a scheme, or with http:, https:, mailto: or tel:, it is
 * written as attr; any other scheme (javascript:, data:, unknown ones, disguised ones) becomes "#".
 */
void pd_html_url(struct pd_buf *b, pd_str s);
/* One component of a URL (a query value or path segment): percent-encoded. */
void pd_html_component(struct pd_buf *b, pd_str s);
void pd_html_i64(struct pd_buf *b, int64_t v);
void pd_html_time(struct pd_buf *b, pd_time t); /* "24 Nov 2026, 09:30 UTC" */
void pd_html_date(struct pd_buf *b, pd_date d); /* "24 Nov 2026" */
void pd_html_iso_time(struct pd_buf *b, pd_time t);
void pd_html_iso_date(struct pd_buf *b, pd_date d);
/* "1,234.50 EUR", with the decimals of the currency (JPY 0, KWD 3). The amount in a currency that
 * is not known is not guessed: "123450 minor units of XXX". Also fit for attributes. */
void pd_html_money(struct pd_buf *b, pd_money m, pd_str currency);
void pd_html_uuid(struct pd_buf *b, pd_uuid u);

#endif
