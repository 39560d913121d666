/* html_structure.h - what a browser would make of a page, as one line: an HTML tokenizer for tests,
 * written from the HTML standard (§13.2.5) and independent of the one in views_html.c.
 *
 *     <p title="a">x</p>   ->   <p title> </p>
 *
 * Text and values are left out, so two pages have the same line exactly if no value has changed the
 * structure. URLs that would run code are marked: <a href!>.
 */
#ifndef HTML_STRUCTURE_H
#define HTML_STRUCTURE_H

#include <pando/buf.h>
#include <stdio.h>
#include <strings.h>

struct html_reader {
    const char *at, *end;
    struct pd_buf *out;
    char element[32];
};

static bool html_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool html_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The first characters of a URL as a browser sees them: references decoded, control characters and
 * line ends dropped. */
static bool html_runs_code(const char *at, const char *end)
{
    char scheme[16];
    size_t n = 0;
    while (at < end && n < sizeof(scheme) - 1) {
        unsigned code = (unsigned char)*at++;
        if (code == '&' && at < end && *at == '#') {
            bool hex = at + 1 < end && (at[1] | 32) == 'x';
            char *stop;
            code = (unsigned)strtoul(at + (hex ? 2 : 1), &stop, hex ? 16 : 10);
            at = *stop == ';' ? stop + 1 : stop;
        }
        if (code > ' ')
            scheme[n++] = code < 128 ? (char)code : '?';
    }
    scheme[n] = 0;
    return strncasecmp(scheme, "javascript:", 11) == 0 || strncasecmp(scheme, "data:", 5) == 0 ||
           strncasecmp(scheme, "vbscript:", 9) == 0;
}

static void html_value(struct html_reader *r, bool url)
{
    while (r->at < r->end && html_blank(*r->at))
        r->at++;
    char quote = r->at < r->end && (*r->at == '"' || *r->at == '\'') ? *r->at++ : 0;
    const char *from = r->at;
    while (r->at < r->end && (quote ? *r->at != quote : !html_blank(*r->at) && *r->at != '>'))
        r->at++;
    if (url && html_runs_code(from, r->at))
        pd_buf_put_c(r->out, '!');
    r->at += quote && r->at < r->end;
}

static void html_attribute(struct html_reader *r)
{
    char name[32];
    size_t n = 0;
    pd_buf_put_c(r->out, ' ');
    do {
        if (n < sizeof(name) - 1)
            name[n++] = *r->at;
        pd_buf_put_c(r->out, *r->at++);
    } while (r->at < r->end && !html_blank(*r->at) && !memchr("=>/", *r->at, 3));
    name[n] = 0;
    while (r->at < r->end && html_blank(*r->at))
        r->at++;
    if (r->at >= r->end || *r->at != '=')
        return;
    r->at++;
    html_value(r, !strcasecmp(name, "href") || !strcasecmp(name, "src") ||
                      !strcasecmp(name, "action") || !strcasecmp(name, "formaction") ||
                      !strcasecmp(name, "xlink:href"));
}

/* Text without tags until the end tag of the element. */
static void html_content(struct html_reader *r)
{
    size_t n = strlen(r->element);
    for (; r->at < r->end; r->at++) {
        if (r->end - r->at < (ptrdiff_t)n + 3 || r->at[0] != '<' || r->at[1] != '/')
            continue;
        char c = r->at[n + 2];
        if (!strncasecmp(r->at + 2, r->element, n) && (html_blank(c) || c == '>' || c == '/'))
            return;
    }
}

static void html_tag(struct html_reader *r, bool closing)
{
    size_t n = 0;
    pd_buf_fmt(r->out, closing ? "</" : "<");
    for (; r->at < r->end && !html_blank(*r->at) && *r->at != '>' && *r->at != '/'; r->at++) {
        pd_buf_put_c(r->out, *r->at);
        if (n < sizeof(r->element) - 1)
            r->element[n++] = *r->at;
    }
    r->element[n] = 0;
    while (r->at < r->end && *r->at != '>') {
        if (html_blank(*r->at) || *r->at == '/')
            r->at++;
        else
            html_attribute(r);
    }
    r->at += r->at < r->end;
    pd_buf_put_c(r->out, '>');
    static const char *const content[] = { "script", "style", "title", "textarea" };
    for (size_t i = 0; i < 4 && !closing; i++) {
        if (!strcasecmp(r->element, content[i]))
            html_content(r);
    }
}

static void html_comment(struct html_reader *r)
{
    bool comment = r->end - r->at > 3 && memcmp(r->at, "!--", 3) == 0;
    pd_str rest = pd_str_n(r->at, (size_t)(r->end - r->at));
    size_t end = pd_str_find_str(rest, comment ? PD_STR("-->") : PD_STR(">"));
    r->at = end == PD_NPOS ? r->end : r->at + end + (comment ? 3 : 1);
    pd_buf_put(r->out, comment ? PD_STR("<!-->") : PD_STR("<!>"));
}

static inline void html_structure(pd_str page, struct pd_buf *out)
{
    struct html_reader r = { .at = page.ptr, .end = page.ptr + page.len, .out = out };
    while (r.at < r.end) {
        char next = r.at + 1 < r.end ? r.at[1] : 0;
        if (*r.at++ != '<')
            continue;
        if (html_letter(next)) {
            html_tag(&r, false);
        } else if (next == '!' || next == '?') {
            html_comment(&r);
        } else if (next == '/' && r.at + 1 < r.end && html_letter(r.at[1])) {
            r.at++;
            html_tag(&r, true);
        }
    }
}

#endif
