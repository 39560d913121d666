"""The reference of the API: one page for each header of include/pando/, and an index of all names."""
import html
import re

import colour
import headers
import website

FOLDER = "reference/api"
# The order in which one meets them; a header that is missing here comes last.
ORDER = "app web db test shape value str buf arena json err log fiber html base pando".split()


def page_of(header):
    return f"{FOLDER}/{header.name[:-2]}.html"


def read_all(root):
    """Every header, in reading order, and what is wrong with them."""
    found, problems = [], []
    for path in (root / "include/pando").glob("*.h"):
        try:
            header = headers.read(path)
        except headers.HeaderError as e:
            problems.append(str(e))
            continue
        problems += headers.uncommented(path.relative_to(root), header)
        found.append(header)
    rank = {f"{n}.h": i for i, n in enumerate(ORDER)}
    return sorted(found, key=lambda h: (rank.get(h.name, len(ORDER)), h.name)), problems


def names(found):
    """name -> page#anchor of everything declared, enumerators too."""
    where = {h.name: page_of(h) for h in found}
    items = [(h, i) for h in found for i in h.items()]
    for h, item in sorted(items, key=lambda e: is_forward(e[1])):
        for name in [item.name] + item.also:
            where.setdefault(name, f"{page_of(h)}#{item.name}")
    return where


def is_forward(item):
    """`struct x;` says only that there is one: what defines it counts more."""
    return re.match(r"(struct|enum|union) \w+;", item.code) is not None


# --- comments as prose -----------------------------------------------------------------------------


def inline(text):
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"<em>\1</em>", text)
    return re.sub(r"(?<![\w>/.])((?:struct )?(?:pd_\w+|PD_[A-Z_]\w*)(?:\(\))?)(?![\w.]*</code>)",
                  r"<code>\1</code>", text)


def prose(comment):
    """Paragraphs and worked examples: what is indented by four or more is code."""
    out = []
    for block in re.split(r"\n\s*\n", comment):
        lines = block.split("\n")
        example = all(line.startswith("    ") or not line.strip() for line in lines)
        if example and out and out[-1][0] == "code":
            out[-1] = ("code", out[-1][1] + "\n\n" + block)
        else:
            out.append(("code" if example else "text", block))
    return "\n".join(mixed(text) if kind == "text" else example_html(text) for kind, text in out if text.strip())


def mixed(block):
    """A paragraph, with an indented example inside it where there is one."""
    out, code, words = [], [], []
    for line in block.split("\n"):
        (code if line.startswith("    ") else words).append(line)
        if code and not line.startswith("    "):
            out.append(example_html("\n".join(code)))
            code = []
        elif words and line.startswith("    "):
            out.append(f"<p>{inline(' '.join(w.strip() for w in words))}</p>")
            words = []
    if words:
        out.append(f"<p>{inline(' '.join(w.strip() for w in words))}</p>")
    if code:
        out.append(example_html("\n".join(code)))
    return "\n".join(out)


def example_html(text):
    lines = [line[4:] if line.startswith("    ") else line for line in text.split("\n")]
    return f"<pre><code>{colour.code('c', chr(10).join(lines).strip(chr(10)))}</code></pre>"


# --- pages -----------------------------------------------------------------------------------------


class Pages:
    def __init__(self, site, found):
        self.site, self.found, self.where = site, found, names(found)

    def linked(self, code, page, own):
        """Colours, and a link at every name that is declared elsewhere."""

        def one(m):
            where = self.where.get(m.group())
            if not where or m.group() in own:
                return m.group()
            return f'<a href="{website.relative(where, page)}">{m.group()}</a>'

        return re.sub(r"\b(?:pd|PD)_\w+\b", one, code)

    def group(self, group, page):
        own = {n for i in group.items for n in [i.name] + i.also}
        code = self.linked(colour.code("c", "\n".join(i.code for i in group.items)), page, own)
        anchors = "".join(f'<span id="{i.name}"></span>' for i in group.items)
        return f'<div class="entry">{anchors}<pre><code>{code}</code></pre>\n{prose(group.comment)}</div>'

    def section(self, section, page):
        title = f'<h2 id="{website.slug(section.title)}">{html.escape(section.title.capitalize())}</h2>\n' \
            if section.title else ""
        groups = "\n".join(self.group(g, page) for g in section.groups)
        return f"{title}{prose(section.comment)}\n{groups}"

    def header(self, header):
        page = page_of(header)
        names = "".join(f'<li><a href="#{i.name}"><code>{i.name}</code></a></li>' for i in header.items()
                        if i.kind in ("function", "macro"))
        toc = f'<ul class="toc">{names}</ul>' if names else ""
        body = (f"<h1>{header.name}: {html.escape(header.summary.rstrip('.'))}</h1>\n{prose(header.prose)}\n"
                f"<p><code>#include &lt;pando/{header.name}&gt;</code></p>\n{toc}\n"
                + "\n".join(self.section(s, page) for s in header.sections))
        self.site.add_page(page, header.name, self.site.with_names(body, page))

    def index(self):
        page = f"{FOLDER}/index.html"
        rows = "".join(f'<tr><td><a href="{website.relative(page_of(h), page)}"><code>{h.name}</code></a></td>'
                       f"<td>{inline(h.summary)}</td></tr>" for h in self.found)
        entries = sorted(((n, w) for n, w in self.where.items() if not n.endswith(".h")),
                         key=lambda e: re.sub(r"^pd_", "", e[0].lower()))
        listed = "".join(f'<li><a href="{website.relative(w, page)}"><code>{n}</code></a></li>' for n, w in entries)
        self.site.add_page(page, "The API", f"""<h1>The API</h1>
<p>One page for each header of <code>include/pando/</code>, made from the header itself.
An application includes <code>&lt;pando/pando.h&gt;</code>, which is all of them.</p>
<table><tbody>{rows}</tbody></table>
<h2 id="all-names">All names</h2>
<ul class="toc">{listed}</ul>""")

    def add(self):
        self.site.names = self.where
        for header in self.found:
            self.header(header)
        self.index()
