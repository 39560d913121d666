/* html.h - what compiled templates call. Written by `pando gen`; authors need not read it.
 *
 * Escaping is chosen by the template compiler from the place of the value in the document: text,
 * quoted attribute, or URL attribute (href, src, action, …). There is no other way to write a value.
 */
#ifndef PANDO_HTML_H
#define PANDO_HTML_H

#include <pando/buf.h>
#include <pando/value.h>

void pd_html_text(struct pd_buf *b, pd_str s);  /* & < > */
void pd_html_attr(struct pd_buf *b, pd_str s);  /* & < > " ' */
/* In a URL attribute: javascript:, data: and unknown schemes become "#"; then as attr. */
void pd_html_url(struct pd_buf *b, pd_str s);
/* One component of a URL (a query value or path segment): percent-encoded. */
void pd_html_component(struct pd_buf *b, pd_str s);
void pd_html_i64(struct pd_buf *b, int64_t v);
void pd_html_time(struct pd_buf *b, pd_time t);  /* "24 Nov 2026, 09:30 UTC" */
void pd_html_date(struct pd_buf *b, pd_date d);  /* "24 Nov 2026" */
void pd_html_iso_time(struct pd_buf *b, pd_time t);
void pd_html_iso_date(struct pd_buf *b, pd_date d);
void pd_html_money(struct pd_buf *b, pd_money m, pd_str currency); /* "1,234.50 EUR" */
void pd_html_uuid(struct pd_buf *b, pd_uuid u);

#endif
