/* views_html.c - where in an HTML document a template is.
 *
 * The tokenizer of the HTML standard (§13.2.5), reduced to what escaping depends on: is this text,
 * a tag, an attribute's value and which one, or content that is not parsed at all. Literal text of
 * the template runs through it byte by byte; a value never changes the place, because every
 * escaping function writes only bytes that keep the tokenizer in its state. That is why a value is
 * allowed in five places only, and refused in all others:
 *
 *     text, title, textarea   & < >                  pd_html_text
 *     "quoted attribute"      & < > " '              pd_html_attr
 *     href="VALUE             scheme checked, attr   pd_html_url
 *     href="/a?q=VALUE        percent-encoded        pd_html_component
 *
 * Sections may join two places (<option {{#x}}selected{{/x}}>). What follows must then be valid
 * behind either: html_join gives the stricter of both.
 *
 * White space: in text outside pre a run with a line's end becomes one line's end, in tags one
 * blank.
 */
#include "gen/views.h"

#define TROUBLE(code_, message_, remedy_)                                                          \
    ((struct html_trouble){ .code = (code_), .message = (message_), .remedy = (remedy_) })
static const struct html_trouble fine;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool name_is(const char *name, const char *const *list)
{
    while (*list && strcmp(name, *list) != 0)
        list++;
    return *list != NULL;
}

static void name_start(struct html_place *p)
{
    p->name_len = 0;
    p->name[0] = 0;
}

static void name_add(struct html_place *p, char c)
{
    if (p->name_len >= HTML_NAME_MAX)
        return;
    p->name[p->name_len++] = lower(c);
    p->name[p->name_len] = 0;
}

/* --- tags and what they contain ----------------------------------------------------------------
 */

static const char *const raw_elements[] = { "script",  "style",    "xmp",       "iframe",
                                            "noembed", "noframes", "plaintext", NULL };
static const char *const plugin_elements[] = { "embed", "object", "applet", NULL };
static const char *const rcdata_elements[] = { "title", "textarea", NULL };
static const char *const url_attributes[] = { "href",     "src",      "action",     "formaction",
                                              "poster",   "cite",     "data",       "background",
                                              "manifest", "longdesc", "xlink:href", "usemap",
                                              "codebase", "profile",  "icon",       NULL };
static const char *const url_list_attributes[] = { "srcset", "imagesrcset", "ping", "archive",
                                                   NULL };

static void start_tag(struct html_place *p, bool closing)
{
    p->state = HTML_TAG_NAME;
    p->closing = closing;
    p->slash = false;
    name_start(p);
}

static void end_of_tag_name(struct html_place *p)
{
    memcpy(p->element, p->name, sizeof(p->element));
}

static struct html_trouble end_tag(struct html_place *p)
{
    bool closed_itself = p->slash;
    p->slash = false;
    p->state = HTML_TEXT;
    p->matched = 0;
    name_start(p);
    bool raw = name_is(p->element, raw_elements), rcdata = name_is(p->element, rcdata_elements);
    if (strcmp(p->element, "pre") == 0)
        p->pre = p->closing ? (p->pre ? p->pre - 1 : 0) : p->pre + 1;
    if (p->closing || (!raw && !rcdata))
        return fine;
    p->state = raw ? HTML_RAW : HTML_RCDATA;
    if (!closed_itself)
        return fine;
    return TROUBLE("PD-VIEW-024", "HTML ignores the / of an element that has content",
                   "write the end tag: <script src=\"…\"></script>");
}

static enum html_attr attribute_kind(const char *element, const char *name)
{
    static const char *const animations[] = { "animate", "set", NULL };
    static const char *const targets[] = { "to", "from", "by", "values", NULL };
    if (name_is(element, animations) && name_is(name, targets))
        return HTML_ANIMATED;
    if (name[0] == 'o' && name[1] == 'n')
        return HTML_EVENT;
    if (strcmp(name, "style") == 0)
        return HTML_STYLE;
    if (strcmp(name, "srcdoc") == 0)
        return HTML_DOCUMENT;
    if (name_is(name, url_list_attributes))
        return HTML_URL_LIST;
    return name_is(name, url_attributes) ? HTML_URL : HTML_PLAIN;
}

static struct html_trouble quoted_start(struct html_place *p, char quote)
{
    p->attr = attribute_kind(p->element, p->name);
    p->state = HTML_QUOTED;
    p->quote = quote;
    p->url = HTML_URL_START;
    name_start(p); /* from here on the possible scheme */
    return fine;
}

/* --- one function for each state
 * ------------------------------------------------------------------ */

static struct html_trouble in_text(struct html_place *p, char c)
{
    if (c == '<')
        p->state = HTML_TAG_OPEN;
    return fine;
}

static struct html_trouble in_tag_open(struct html_place *p, char c)
{
    if (c == '/') {
        p->state = HTML_END_OPEN;
    } else if (c == '!' || c == '?') {
        p->state = HTML_DECLARATION;
        p->matched = c == '!' ? 1 : 0;
    } else if (is_letter(c)) {
        start_tag(p, false);
        name_add(p, c);
    } else {
        p->state = c == '<' ? HTML_TAG_OPEN : HTML_TEXT;
    }
    return fine;
}

static struct html_trouble in_end_open(struct html_place *p, char c)
{
    if (!is_letter(c))
        return TROUBLE("PD-VIEW-024", "\"</\" without a name",
                       "write the element's name behind it");
    start_tag(p, true);
    name_add(p, c);
    return fine;
}

/* Between attributes, behind a blank. */
static struct html_trouble in_tag(struct html_place *p, char c)
{
    if (is_blank(c)) {
        p->state = HTML_TAG;
        return fine;
    }
    if (c == '>')
        return end_tag(p);
    p->slash = c == '/';
    if (p->slash) {
        p->state = HTML_TAG;
        return fine;
    }
    if (c == '=' || c == '"' || c == '\'' || c == '<')
        return TROUBLE("PD-VIEW-024", "a stray character between attributes",
                       "write name=\"value\"; does a quote or a > miss above?");
    p->state = HTML_ATTR_NAME;
    name_start(p);
    name_add(p, c);
    return fine;
}

static struct html_trouble in_tag_name(struct html_place *p, char c)
{
    if (!is_blank(c) && c != '/' && c != '>') {
        name_add(p, c);
        return fine;
    }
    end_of_tag_name(p);
    return in_tag(p, c);
}

static struct html_trouble in_gap(struct html_place *p, char c)
{
    if (is_blank(c) || c == '/' || c == '>')
        return in_tag(p, c);
    return TROUBLE("PD-VIEW-024", "a blank is missing between attributes",
                   "leave a blank behind every attribute, also inside the section before it");
}

static struct html_trouble in_attr_name(struct html_place *p, char c)
{
    if (c == '=') {
        p->state = HTML_BEFORE_VALUE;
        return fine;
    }
    if (is_blank(c)) {
        p->state = HTML_AFTER_NAME;
        return fine;
    }
    if (c == '>' || c == '/')
        return in_tag(p, c);
    if (c == '"' || c == '\'' || c == '<')
        return TROUBLE("PD-VIEW-024", "a stray character in the name of an attribute",
                       "write name=\"value\"; does a quote or a > miss above?");
    name_add(p, c);
    return fine;
}

static struct html_trouble in_after_name(struct html_place *p, char c)
{
    if (is_blank(c))
        return fine;
    if (c != '=')
        return in_tag(p, c);
    p->state = HTML_BEFORE_VALUE;
    return fine;
}

static struct html_trouble in_before_value(struct html_place *p, char c)
{
    if (is_blank(c))
        return fine;
    if (c == '"' || c == '\'')
        return quoted_start(p, c);
    if (c == '>')
        return TROUBLE("PD-VIEW-024", "an attribute without its value", "write name=\"value\"");
    p->state = HTML_UNQUOTED;
    return fine;
}

static struct html_trouble in_unquoted(struct html_place *p, char c)
{
    if (is_blank(c) || c == '>')
        return in_tag(p, c);
    return fine;
}

static const char *const good_schemes[] = { "http", "https", "mailto", "tel", NULL };

/* Literal text in a URL: finds out whether its scheme is settled. */
static struct html_trouble in_url(struct html_place *p, char c)
{
    if (p->url == HTML_URL_SETTLED || (p->url == HTML_URL_START && is_blank(c)))
        return fine;
    if (c == '/' || c == '?' || c == '#') {
        p->url = HTML_URL_SETTLED;
        return fine;
    }
    if (c == '&')
        return TROUBLE("PD-VIEW-023", "a character reference where a URL's scheme may stand",
                       "write the character itself");
    if (c == ':') {
        if (p->url != HTML_URL_PREFIX || !name_is(p->name, good_schemes))
            return TROUBLE("PD-VIEW-023", "this URL's scheme is not known to be harmless",
                           "links may begin with http:, https:, mailto:, tel:, / or ?");
        p->url = HTML_URL_SETTLED;
        return fine;
    }
    if (p->url == HTML_URL_START)
        p->url = HTML_URL_PREFIX;
    name_add(p, c);
    return fine;
}

static struct html_trouble in_quoted(struct html_place *p, char c)
{
    if (c == p->quote) {
        p->state = HTML_GAP;
        return fine;
    }
    return p->attr == HTML_URL ? in_url(p, c) : fine;
}

/* What of a comment's end was seen, as matched. At its start "<!-->" and "<!--->" end it, too, but
 * "<!--!>" does not. */
enum { COMMENT_INSIDE, COMMENT_DASH, COMMENT_END, COMMENT_BANG, COMMENT_START, COMMENT_START_DASH };

static struct html_trouble in_comment(struct html_place *p, char c)
{
    static const unsigned char behind_dash[] = {
        [COMMENT_INSIDE] = COMMENT_DASH,      [COMMENT_DASH] = COMMENT_END,
        [COMMENT_END] = COMMENT_END,          [COMMENT_BANG] = COMMENT_DASH,
        [COMMENT_START] = COMMENT_START_DASH, [COMMENT_START_DASH] = COMMENT_END,
    };
    if (c == '>' && p->matched >= COMMENT_END)
        p->state = HTML_TEXT;
    else if (c == '-')
        p->matched = behind_dash[p->matched];
    else
        p->matched = c == '!' && p->matched == COMMENT_END ? COMMENT_BANG : COMMENT_INSIDE;
    return fine;
}

/* matched: 1 = "<!", 2 = "<!-", 0 = something else follows. */
static struct html_trouble in_declaration(struct html_place *p, char c)
{
    if (c == '-' && p->matched) {
        if (++p->matched == 3) {
            p->state = HTML_COMMENT;
            p->matched = COMMENT_START;
        }
        return fine;
    }
    p->matched = 0;
    if (c == '>')
        p->state = HTML_TEXT;
    return fine;
}

/* Looks for "</name" followed by a blank, "/" or ">". */
static struct html_trouble in_content(struct html_place *p, char c)
{
    size_t name_len = strlen(p->element);
    if (p->matched == name_len + 2 && (is_blank(c) || c == '/' || c == '>')) {
        p->closing = true;
        return in_tag(p, c);
    }
    char wanted = p->matched == 0 ? '<' : p->matched == 1 ? '/' : 0;
    if (p->matched >= 2 && p->matched < name_len + 2)
        wanted = p->element[p->matched - 2];
    if (p->matched == 1 && c == '!' && strcmp(p->element, "script") == 0)
        return TROUBLE("PD-VIEW-024", "\"<!\" in a script changes where the script ends",
                       "move the script into assets/");
    if (p->state == HTML_RCDATA && p->matched == 1 && is_letter(c)) /* in SVG it were a tag */
        return TROUBLE("PD-VIEW-024", "a tag inside title or textarea, which have text only",
                       "write &lt; for a lone <");
    p->matched = wanted && lower(c) == wanted ? p->matched + 1 : (c == '<');
    return fine;
}

static struct html_trouble (*const states[])(struct html_place *, char) = {
    [HTML_TEXT] = in_text,
    [HTML_TAG_OPEN] = in_tag_open,
    [HTML_END_OPEN] = in_end_open,
    [HTML_TAG_NAME] = in_tag_name,
    [HTML_TAG] = in_tag,
    [HTML_GAP] = in_gap,
    [HTML_ATTR_NAME] = in_attr_name,
    [HTML_AFTER_NAME] = in_after_name,
    [HTML_QUOTED] = in_quoted,
    [HTML_BEFORE_VALUE] = in_before_value,
    [HTML_UNQUOTED] = in_unquoted,
    [HTML_COMMENT] = in_comment,
    [HTML_RAW] = in_content,
    [HTML_DECLARATION] = in_declaration,
    [HTML_RCDATA] = in_content,
};

/* --- literal text -------------------------------------------------------------------------------
 */

/* What a run of blanks becomes here: itself, a line's end, or one blank. */
static pd_str reduced(const struct html_place *p, pd_str run, bool line_start)
{
    if (p->state == HTML_TEXT && !p->pre) {
        if (line_start)
            return PD_STR("");
        return pd_str_find(run, '\n') != PD_NPOS ? PD_STR("\n") : run;
    }
    bool in_a_tag = p->state == HTML_TAG_NAME || p->state == HTML_TAG || p->state == HTML_GAP ||
                    p->state == HTML_ATTR_NAME || p->state == HTML_AFTER_NAME;
    return in_a_tag ? PD_STR(" ") : run;
}

struct html_trouble html_literal(struct html_place *p, pd_str text, bool line_start,
                                 struct pd_buf *out, size_t *at)
{
    size_t i = 0;
    while (i < text.len) {
        size_t end = i;
        while (end < text.len && is_blank(text.ptr[end]))
            end++;
        pd_str run = pd_str_sub(text, i, end);
        if (run.len)
            pd_buf_put(out, reduced(p, run, line_start && i == 0));
        else
            pd_buf_put_c(out, text.ptr[end++]);
        for (; i < end; i++) {
            struct html_trouble t = states[p->state](p, text.ptr[i]);
            *at = i;
            if (t.message)
                return t;
        }
    }
    return fine;
}

/* --- tags of the template
 * --------------------------------------------------------------------------- */

struct html_trouble html_tag_here(struct html_place *p)
{
    switch (p->state) {
    case HTML_TAG_NAME:
        end_of_tag_name(p);
        p->state = HTML_GAP;
        return fine;
    case HTML_ATTR_NAME: p->state = HTML_GAP; return fine;
    case HTML_AFTER_NAME: p->state = HTML_TAG; return fine;
    case HTML_TAG_OPEN:
    case HTML_END_OPEN:
        return TROUBLE("PD-VIEW-020", "the name of an element cannot be decided by a tag",
                       "write the elements out, each in its section; a lone < is &lt;");
    case HTML_BEFORE_VALUE:
    case HTML_UNQUOTED:
        p->state = HTML_UNQUOTED; /* it has a value: one complaint is enough */
        return TROUBLE("PD-VIEW-021", "a value in an attribute without quotes",
                       "put quotes around the attribute's value: name=\"{{…}}\"");
    case HTML_DECLARATION:
        return TROUBLE("PD-VIEW-020", "a tag inside a declaration <!…>", "move it out");
    case HTML_COMMENT:
        return TROUBLE("PD-VIEW-020", "a tag in a comment of the page",
                       "remove it, or make it a comment of the template: {{! … }}");
    case HTML_RCDATA:
    case HTML_RAW:
        if (p->matched)
            return TROUBLE("PD-VIEW-020", "a tag behind < where an end tag could begin",
                           "write &lt; for a lone <");
        return fine;
    default: return fine;
    }
}

static struct html_trouble value_in_attribute(struct html_place *p, bool is_asset,
                                              const char **function)
{
    *function = "pd_html_attr";
    switch (p->attr) {
    case HTML_PLAIN: return fine;
    case HTML_EVENT:
        return TROUBLE("PD-VIEW-022", "a value in an event handler is code",
                       "put it into a data-… attribute and read that from a script in assets/");
    case HTML_STYLE:
        return TROUBLE("PD-VIEW-022", "a value in a style attribute can load and hide things",
                       "choose a class by a section, or use an SVG attribute");
    case HTML_DOCUMENT:
        return TROUBLE("PD-VIEW-022", "srcdoc is a document inside an attribute",
                       "serve the document under a URL and use src");
    case HTML_ANIMATED:
        return TROUBLE("PD-VIEW-022", "a value in an animation can become any attribute",
                       "animate with a class and a style sheet");
    case HTML_URL_LIST:
        if (is_asset)
            return fine;
        return TROUBLE("PD-VIEW-022", "values in a list of URLs cannot be told apart",
                       "use {{asset \"…\"}} here, or a single URL in src or href");
    case HTML_URL: break;
    }
    if (is_asset) {
        p->url = HTML_URL_SETTLED;
        return fine;
    }
    if (strcmp(p->element, "script") == 0)
        return TROUBLE("PD-VIEW-022", "a value decides which script is run",
                       "use src=\"{{asset \"…\"}}\"");
    if (strcmp(p->element, "base") == 0)
        return TROUBLE("PD-VIEW-022", "a value decides where every other URL of the page leads",
                       "write the URL, or write the others out from / on");
    if (name_is(p->element, plugin_elements))
        return TROUBLE("PD-VIEW-022", "a value decides what runs in the page",
                       "link to it, or show it as an image");
    *function = p->url == HTML_URL_START ? "pd_html_url" : "pd_html_component";
    if (p->url != HTML_URL_SETTLED)
        p->url = HTML_URL_MIXED;
    return fine;
}

struct html_trouble html_value_here(struct html_place *p, bool is_asset, const char **function)
{
    switch (p->state) {
    case HTML_TEXT: *function = "pd_html_text"; return fine;
    case HTML_RCDATA: *function = "pd_html_text"; return p->matched ? html_tag_here(p) : fine;
    case HTML_QUOTED: return value_in_attribute(p, is_asset, function);
    case HTML_TAG_NAME:
        return TROUBLE("PD-VIEW-020", "a value in the name of an element",
                       "write the elements out, each in its section");
    case HTML_TAG:
    case HTML_GAP:
    case HTML_ATTR_NAME:
    case HTML_AFTER_NAME:
        return TROUBLE("PD-VIEW-020", "a value where the name of an attribute stands",
                       "write the name; show or hide it with a section: {{#on}}checked{{/on}}");
    case HTML_RAW:
        return TROUBLE("PD-VIEW-022", "a value in the content of script, style or the like",
                       "put it into a data-… attribute and read that from a script in assets/");
    default: return html_tag_here(p);
    }
}

/* --- joining
 * -------------------------------------------------------------------------------------- */

static bool in_start_tag(const struct html_place *p)
{
    return p->state == HTML_TAG || p->state == HTML_GAP || p->state == HTML_QUOTED;
}

/* Same but for how far a URL or a gap between attributes has come. */
static bool same_element(const struct html_place *a, const struct html_place *b)
{
    bool named = in_start_tag(a) || a->state == HTML_RAW || a->state == HTML_RCDATA;
    return a->pre == b->pre &&
           (!named || (a->closing == b->closing && strcmp(a->element, b->element) == 0));
}

static bool same_value(const struct html_place *a, const struct html_place *b)
{
    return a->state != HTML_QUOTED || (a->quote == b->quote && a->attr == b->attr);
}

bool html_same(const struct html_place *a, const struct html_place *b)
{
    if (a->state != b->state || !same_element(a, b) || !same_value(a, b))
        return false;
    if (a->state == HTML_COMMENT || a->state == HTML_RAW || a->state == HTML_RCDATA)
        return a->matched == b->matched;
    if (a->state != HTML_QUOTED || a->attr != HTML_URL)
        return true;
    return a->url == b->url && (a->url != HTML_URL_PREFIX || strcmp(a->name, b->name) == 0);
}

bool html_join(struct html_place *a, const struct html_place *b)
{
    if (html_same(a, b))
        return true;
    if (!same_element(a, b))
        return false;
    if ((a->state == HTML_TAG || a->state == HTML_GAP) &&
        (b->state == HTML_TAG || b->state == HTML_GAP)) {
        a->state = HTML_GAP;
        a->slash = a->slash || b->slash;
        return true;
    }
    if (a->state == HTML_QUOTED && b->state == HTML_QUOTED && same_value(a, b)) {
        a->url = HTML_URL_MIXED;
        return true;
    }
    return false;
}

const char *html_describe(const struct html_place *p)
{
    static const char *const names[] = {
        [HTML_TEXT] = "in text",
        [HTML_TAG_OPEN] = "behind <",
        [HTML_END_OPEN] = "behind </",
        [HTML_TAG_NAME] = "in the name of an element",
        [HTML_TAG] = "inside a tag",
        [HTML_GAP] = "inside a tag",
        [HTML_ATTR_NAME] = "in the name of an attribute",
        [HTML_AFTER_NAME] = "inside a tag",
        [HTML_BEFORE_VALUE] = "behind = in a tag",
        [HTML_QUOTED] = "inside the quotes of an attribute",
        [HTML_UNQUOTED] = "in the value of an attribute",
        [HTML_COMMENT] = "in a comment",
        [HTML_DECLARATION] = "in a declaration",
        [HTML_RAW] = "in the content of a script, style or the like",
        [HTML_RCDATA] = "in the content of title or textarea",
    };
    return names[p->state];
}
