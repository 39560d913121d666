/* modules.c - the modules of an app and who uses whom, as checked: text, JSON, a picture.
 *
 * A module stands one level above the highest that it uses, so that all arrows point down. The
 * picture is SVG by hand: rows of boxes, one curve per edge; dashed ones are columns that only name
 * rows of the other module.
 */
#include "check/check.h"

#include <pando/json.h>

enum { BOX_W = 132, BOX_H = 40, GAP_X = 36, GAP_Y = 72, EDGE = 72, PICTURE_MAX = 4 << 20 };

struct drawn {
    struct check_module *m;
    unsigned level, column;
};
struct picture {
    struct check *k;
    struct drawn *at;
    size_t n;
    unsigned levels, widest;
};

/* --- levels ------------------------------------------------------------------------------------
 */

static struct drawn *drawn_of(const struct picture *p, const struct check_module *m)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->at[i].m == m)
            return &p->at[i];
    }
    return NULL;
}

static bool raise_above(const struct picture *p, struct drawn *upper, const struct drawn *lower)
{
    if (!upper || !lower || upper->level > lower->level || lower->level + 1 >= p->n)
        return false;
    upper->level = lower->level + 1;
    return true;
}

/* Raises modules until nothing moves. A ring stops at the roof: n modules have n levels at most. */
static void find_levels(struct picture *p)
{
    size_t nxrefs;
    struct gen_xref_fact *xrefs = gen_facts_xrefs(&p->k->gen, &nxrefs);
    bool moved = true;
    for (size_t round = 0; moved && round < p->n; round++) {
        moved = false;
        for (size_t i = 0; i < p->n; i++) {
            for (struct check_edge *e = p->at[i].m->edges; e; e = e->next)
                moved |= raise_above(p, &p->at[i], drawn_of(p, e->to));
        }
        for (size_t x = 0; x < nxrefs; x++)
            moved |= raise_above(p, drawn_of(p, check_module_find(p->k, xrefs[x].from)),
                                 drawn_of(p, check_module_find(p->k, xrefs[x].to)));
    }
}

static struct picture picture_of(struct check *k)
{
    struct picture p = { .k = k };
    for (struct check_module *m = k->modules; m; m = m->next)
        p.n++;
    p.at = pd_arena_new_n(&k->arena, struct drawn, p.n + 1);
    p.n = 0;
    for (struct check_module *m = k->modules; m; m = m->next)
        p.at[p.n++].m = m;
    find_levels(&p);
    unsigned *columns = pd_arena_new_n(&k->arena, unsigned, p.n + 1);
    for (size_t i = 0; i < p.n; i++) {
        unsigned level = p.at[i].level;
        p.at[i].column = columns[level]++;
        p.widest = columns[level] > p.widest ? columns[level] : p.widest;
        p.levels = level + 1 > p.levels ? level + 1 : p.levels;
    }
    return p;
}

static bool uses(const struct check_module *from, const struct check_module *to)
{
    for (const struct check_edge *e = from->edges; e; e = e->next) {
        if (e->to == to)
            return true;
    }
    return false;
}

/* --- text and JSON -----------------------------------------------------------------------------
 */

static void put_text(struct picture *p, struct pd_buf *b)
{
    for (unsigned level = p->levels; level-- > 0;) {
        for (size_t i = 0; i < p->n; i++) {
            if (p->at[i].level != level)
                continue;
            pd_buf_fmt(b, "%*.*s", p->at[i].m->edges ? -16 : 0, PD_ARG(p->at[i].m->name));
            for (size_t to = 0; to < p->n; to++) {
                if (uses(p->at[i].m, p->at[to].m))
                    pd_buf_fmt(b, " %.*s", PD_ARG(p->at[to].m->name));
            }
            pd_buf_put_c(b, '\n');
        }
    }
}

static void put_json_edges(struct picture *p, const struct check_module *m, struct pd_buf *b)
{
    const char *comma = "";
    for (size_t to = 0; to < p->n; to++) {
        for (const struct check_edge *e = m->edges; e; e = e->next) {
            if (e->to != p->at[to].m)
                continue;
            pd_buf_fmt(b, "%s{\"module\":", comma);
            pd_json_write_str(b, e->to->name);
            pd_buf_put(b, PD_STR(",\"file\":"));
            pd_json_write_str(b, e->file);
            pd_buf_fmt(b, ",\"line\":%d}", e->line);
            comma = ",";
        }
    }
}

static void put_json(struct picture *p, struct pd_buf *b)
{
    size_t nxrefs;
    struct gen_xref_fact *xrefs = gen_facts_xrefs(&p->k->gen, &nxrefs);
    pd_buf_put(b, PD_STR("{\"modules\":["));
    for (size_t i = 0; i < p->n; i++) {
        const char *comma = "";
        pd_buf_put(b, i ? PD_STR(",\n{\"name\":") : PD_STR("\n{\"name\":"));
        pd_json_write_str(b, p->at[i].m->name);
        pd_buf_fmt(b, ",\"level\":%u,\"uses\":[", p->at[i].level);
        put_json_edges(p, p->at[i].m, b);
        pd_buf_put(b, PD_STR("],\"rows_of\":["));
        for (size_t x = 0; x < nxrefs; x++) {
            if (!pd_str_eq(xrefs[x].from, p->at[i].m->name))
                continue;
            pd_buf_fmt(b, "%s{\"column\":", comma);
            pd_json_write_str(b, xrefs[x].column);
            pd_buf_put(b, PD_STR(",\"module\":"));
            pd_json_write_str(b, xrefs[x].to);
            pd_buf_put_c(b, '}');
            comma = ",";
        }
        pd_buf_put(b, PD_STR("]}"));
    }
    pd_buf_put(b, PD_STR("]}\n"));
}

/* --- the picture -------------------------------------------------------------------------------
 */

static unsigned in_level(const struct picture *p, unsigned level)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += p->at[i].level == level;
    return n;
}

/* Left edge of a box: each row stands in the middle. */
static int left(const struct picture *p, const struct drawn *d)
{
    int step = BOX_W + GAP_X, spare = (int)(p->widest - in_level(p, d->level)) * step / 2;
    return EDGE + spare + (int)d->column * step;
}

static int top(const struct picture *p, const struct drawn *d)
{
    return EDGE + (int)(p->levels - 1 - d->level) * (BOX_H + GAP_Y);
}

/* To the next level straight down; further ones bow round what stands between, on either side. */
static void put_edge(const struct picture *p, struct pd_buf *b, const struct drawn *from,
                     const struct drawn *to, const char *class)
{
    int down = (int)from->level - (int)to->level, side = down % 2 ? -1 : 1;
    int x1 = left(p, from) + BOX_W / 2, y1 = top(p, from) + BOX_H;
    int x2 = left(p, to) + BOX_W / 2, y2 = top(p, to) - 5;
    int c1 = x1, c2 = x2, d1 = y1 + GAP_Y / 2, d2 = y2 - GAP_Y / 2;
    if (down != 1) {
        int bow = side * (16 + 12 * (down > 4 || down < 1 ? 4 : down));
        x1 += side * BOX_W / 2, x2 += side * (BOX_W / 2 + 5);
        d1 = y1 -= BOX_H / 2, d2 = y2 += 5 + BOX_H / 2;
        c1 = x1 + bow, c2 = x2 + bow;
    }
    pd_buf_fmt(b, "<path class=\"%s\" d=\"M%d %d C%d %d %d %d %d %d\"/>\n", class, x1, y1, c1, d1,
               c2, d2, x2, y2);
}

static void put_edges(struct picture *p, struct pd_buf *b)
{
    size_t nxrefs;
    struct gen_xref_fact *xrefs = gen_facts_xrefs(&p->k->gen, &nxrefs);
    for (size_t i = 0; i < p->n; i++) {
        for (struct check_edge *e = p->at[i].m->edges; e; e = e->next)
            put_edge(p, b, &p->at[i], drawn_of(p, e->to), "uses");
    }
    for (size_t x = 0; x < nxrefs; x++) {
        struct check_module *from = check_module_find(p->k, xrefs[x].from);
        struct check_module *to = check_module_find(p->k, xrefs[x].to);
        bool told = false;
        for (size_t before = 0; before < x; before++)
            told |= pd_str_eq(xrefs[before].from, xrefs[x].from) &&
                    pd_str_eq(xrefs[before].to, xrefs[x].to);
        if (from && to && !told && !uses(from, to))
            put_edge(p, b, drawn_of(p, from), drawn_of(p, to), "rows");
    }
}

static void put_svg(struct picture *p, struct pd_buf *b)
{
    static const char STYLE[] =
        "<style>text{font:14px "
        "sans-serif;fill:#222;text-anchor:middle}rect{fill:#f4f6f4;stroke:#557}"
        "path{fill:none;stroke:#557;marker-end:url(#arrow)}.rows{stroke-dasharray:4 4}"
        "marker path{fill:#557;marker-end:none}@media(prefers-color-scheme:dark){text{fill:#ddd}"
        "rect{fill:#222;stroke:#99b}path{stroke:#99b}marker path{fill:#99b}}</style>\n"
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"4\" refY=\"4\" markerWidth=\"7\" "
        "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n";
    unsigned wide = p->widest ? p->widest : 1, high = p->levels ? p->levels : 1;
    unsigned width = 2 * EDGE + wide * (BOX_W + GAP_X) - GAP_X;
    unsigned height = 2 * EDGE + high * (BOX_H + GAP_Y) - GAP_Y;
    pd_buf_fmt(b,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" width=\"%u\" "
               "height=\"%u\" role=\"img\"><title>Modules, and who uses whom</title>\n%s",
               width, height, width, height, STYLE);
    put_edges(p, b);
    for (size_t i = 0; i < p->n; i++) {
        int x = left(p, &p->at[i]), y = top(p, &p->at[i]);
        pd_buf_fmt(b,
                   "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"/>"
                   "<text x=\"%d\" y=\"%d\">%.*s</text>\n",
                   x, y, BOX_W, BOX_H, x + BOX_W / 2, y + BOX_H / 2 + 5, PD_ARG(p->at[i].m->name));
    }
    pd_buf_put(b, PD_STR("</svg>\n"));
}

pd_err check_modules_print(struct check *k, enum check_form form, FILE *out)
{
    struct picture p = picture_of(k);
    struct pd_buf b;
    pd_buf_init(&b, &k->arena, PICTURE_MAX);
    pd_buf_reserve(&b, 1);
    if (form == CHECK_SVG)
        put_svg(&p, &b);
    else if (form == CHECK_JSON)
        put_json(&p, &b);
    else
        put_text(&p, &b);
    if (b.failed)
        return pd_fail(PD_ETOOBIG, "the app has too many modules for a picture");
    fwrite(b.ptr, 1, b.len, out);
    return PD_OK;
}
