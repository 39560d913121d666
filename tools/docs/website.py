"""From Markdown and headers to a folder of HTML pages that can be read without a network.

docs/README.md is the start page and the table of contents: its sections and links become the navigation, and
a page it does not name is an error. A link to a file outside docs/ (a layer's README, an example's
source) makes a page of that file too, so that every link works offline. check() opens what was written and
looks at every link and anchor again.
"""
import html
import html.parser
import os
import pathlib
import posixpath
import re
import subprocess

import colour
import fences

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MARK = ('<svg viewBox="0 0 24 24" aria-hidden="true"><rect width="24" height="24" rx="6" fill="currentColor"/>'
        '<path fill="var(--surface)" d="M6 18V6h3v12zM10.5 18v-8h3v8zM15 18v-5h3v5z"/></svg>')


# What a generated page is made of: a link to the one leads to the other.
MADE_OF = {
    "include/pando": "reference/api/index.html",
    "src/app/config_table.c": "reference/settings.html",
    "src/cli/README.md": "reference/commands.html",
    "share/explain": "reference/errors.html",
}


def markdown(text):
    """GitHub's dialect, by GitHub's own program: pages look the same here and there."""
    done = subprocess.run(["cmark-gfm", "--unsafe", "--full-info-string", "-e", "table", "-e", "strikethrough"],
                          input=text.encode(), capture_output=True, check=True)
    return re.sub(r"<!--.*?-->\n?", "", done.stdout.decode(), flags=re.S)


def slug(text):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"<[^>]+>", "", html.unescape(text)).lower()).strip().replace(" ", "-")


def with_anchors(body):
    """Every heading can be linked to."""
    seen = {}

    def one(m):
        level, text = m.group(1), m.group(2)
        name = slug(text)
        n = seen[name] = seen.get(name, 0) + 1
        name = name if n == 1 else f"{name}-{n - 1}"
        link = f'<a class="anchor" href="#{name}" aria-label="Link to this">#</a>' if level != "1" else ""
        return f'<h{level} id="{name}">{text}{link}</h{level}>'

    return re.sub(r"<h([1-4])>(.*?)</h\1>", one, body, flags=re.S)


def caption(meta):
    """What stands above a block: the file it is, goes into, or comes from."""
    try:
        _, verb, opts = fences.read_info("", "x " + html.unescape(meta))
    except fences.FenceError:
        return ""
    if verb == "from":
        path = html.escape(opts["from"])
        if path.startswith("build/"):
            return f'<p class="file">made by the build: {path}</p>\n'
        return f'<p class="file">from <a href="/{path}">{path}</a></p>\n'
    if verb == "skip":
        return f'<p class="file">{html.escape(opts["skip"])}</p>\n'
    words = {"file": "{}", "add": "add to {}", "change": "change in {}"}
    if verb not in words:
        return ""
    return f'<p class="file">{words[verb].format(html.escape(opts[verb]))}</p>\n'


def with_code(body):
    def one(m):
        lang, meta, text = m.group(1) or "text", m.group(2) or "", html.unescape(m.group(3))
        return f"{caption(meta)}<pre><code>{colour.code(lang, text)}</code></pre>"

    return re.sub(r'<pre><code(?: class="language-([^"]*)")?(?: data-meta="([^"]*)")?>(.*?)</code></pre>', one,
                  body, flags=re.S)


class Site:
    """Pages by their path in the output. Sources are named by their path in the tree."""

    def __init__(self, version):
        self.version, self.names = version, {}  # names: of the API -> page#anchor
        self.pages, self.sources = {}, {}  # output -> (title, body); source -> output
        self.problems, self.nav = [], []  # nav: (section, [(title, output)])
        self.todo = []

    # --- adding ------------------------------------------------------------------------------------

    def output_of(self, source):
        if source == "docs/README.md":
            return "index.html"
        if source.startswith("docs/"):
            return re.sub(r"(README)?\.md$", lambda m: "index.html" if m.group(1) else ".html", source[5:])
        return "source/" + (source[:-3] if source.endswith(".md") else source) + ".html"

    def add_source(self, source):
        """A file of the tree; Markdown is rendered, anything else shown as code."""
        if source not in self.sources:
            self.sources[source] = self.output_of(source)
            self.todo.append(source)
        return self.sources[source]

    def add_page(self, output, title, body):
        self.pages[output] = (title, body)

    def add_markdown(self, output, text, source=None):
        body = with_code(with_anchors(markdown(text)))
        title = re.search(r"<h1[^>]*>(.*?)</h1>", body, re.S)
        if not title:
            self.problems.append(f"{source or output}:1: a page begins with its title (# …)")
        title = re.sub(r"<[^>]+>", "", title.group(1)) if title else output
        self.add_page(output, title, self.resolve(body, output, source or output))

    def render_sources(self):
        while self.todo:
            source = self.todo.pop()
            text = (ROOT / source).read_text()
            output = self.sources[source]
            if source.endswith(".md"):
                self.add_markdown(output, text, source)
            else:
                lang = {"c": "c", "h": "c", "sql": "sql", "html": "html"}.get(source.rsplit(".", 1)[-1], "text")
                self.add_page(output, source, f"<h1><code>{source}</code></h1>\n<pre><code>"
                              f"{colour.code(lang, text)}</code></pre>")

    # --- links -------------------------------------------------------------------------------------

    def resolve(self, body, output, source):
        """Links between files become links between pages; names of the API become links."""
        # Only in tags: in a block of code the same letters are text.
        body = re.sub(r'(<a\b[^<>]*?)href="([^"]*)"',
                      lambda m: f'{m.group(1)}href="{self.link(m.group(2), output, source)}"', body)
        return self.with_names(body, output)

    def with_names(self, body, output):
        return re.sub(r"(?<!>)<code>([^<]*)</code>(?!</a>)", lambda m: self.name_link(m, output), body)

    def link(self, href, output, source):
        href = html.unescape(href)
        if re.match(r"[a-z]+:", href) or href.startswith("#"):
            return html.escape(href)
        path, _, anchor = href.partition("#")
        target = path[1:] if path.startswith("/") else posixpath.normpath(posixpath.join(
            posixpath.dirname(source), path))
        page = self.target(target)
        if page is None:
            self.problems.append(f"{source}: the link {href} leads nowhere")
            return "#"
        return relative(page, output) + (f"#{anchor}" if anchor else "")

    def target(self, path):
        if path.rstrip("/") in MADE_OF:
            return MADE_OF[path.rstrip("/")]
        if re.fullmatch(r"include/pando/\w+\.h", path):
            return f"reference/api/{path.split('/')[-1][:-2]}.html"
        if (ROOT / path).is_dir():
            path = path.rstrip("/") + "/README.md"
        return self.add_source(path) if (ROOT / path).is_file() else None

    def name_link(self, m, output):
        name = re.fullmatch(r"(?:struct |enum )?(\w+)(?:\(.*\))?", m.group(1))
        where = name and self.names.get(name.group(1))
        if not where or where.split("#")[0] == output:
            return m.group()
        return f'<a href="{relative(where, output)}">{m.group()}</a>'

    # --- writing -----------------------------------------------------------------------------------

    def read_contents(self):
        """Navigation from the start page: each h2 with a list of links is a section."""
        body = self.pages["index.html"][1]
        for part in re.split(r"<h2[^>]*>", body)[1:]:
            title = re.sub(r"<.*", "", part.split("</h2>")[0], flags=re.S)
            links = re.findall(r'<li>\s*(?:<p>)?<a href="([^"#]+)">(.*?)</a>', part, re.S)
            if links:
                self.nav.append((title, [(re.sub(r"<[^>]+>", "", text), href) for href, text in links]))

    def nav_html(self, output):
        out = []
        for title, links in self.nav:
            items = "\n".join(
                f'<li><a href="{relative(href, output)}"{self.current(href, output)}>{text}</a></li>'
                for text, href in links)
            out.append(f"<h2>{title}</h2>\n<ul>\n{items}\n</ul>")
        return "\n".join(out)

    def current(self, href, output):
        folder = href.endswith("/index.html") and output.startswith(href[:-len("index.html")])
        return ' aria-current="page"' if href == output or folder else ""

    def next_html(self, output):
        order = [(text, href) for _, links in self.nav for text, href in links]
        at = [n for n, (_, href) in enumerate(order) if href == output]
        if not at:
            return ""
        before = order[at[0] - 1] if at[0] else None
        after = order[at[0] + 1] if at[0] + 1 < len(order) else None
        links = [f'<a href="{relative(p[1], output)}">{s}</a>' if p else "<span></span>"
                 for p, s in ((before, before and f"← {before[0]}"), (after, after and f"{after[0]} →"))]
        return f'<div class="next">{"".join(links)}</div>'

    def write(self, out):
        frame = (HERE / "page.html").read_text()
        self.read_contents()
        for output, (title, body) in sorted(self.pages.items()):
            depth = output.count("/")
            words = {"TITLE": title if output == "index.html" else f"{title} · pando", "ROOT": "../" * depth, "MARK": MARK,
                     "VERSION": self.version, "BODY": body, "NEXT": self.next_html(output),
                     "NAV": self.nav_html(output)}
            text = re.sub(r"@([A-Z]+)@", lambda m: words[m.group(1)], frame)
            path = out / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (out / "style.css").write_text((HERE / "style.css").read_text())


def relative(page, output):
    target, _, anchor = page.partition("#")
    return os.path.relpath(target, posixpath.dirname(output) or ".") + (f"#{anchor}" if anchor else "")


# --- what was written is looked at again -----------------------------------------------------------


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links, self.assets = set(), [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        for key in ("src", "srcset", "href"):
            if key in found and tag != "a":
                self.assets.append(found[key])


def check(out):
    """Every link between pages and every anchor exists; nothing is loaded from elsewhere; no JavaScript."""
    parsed, problems = {}, []
    for path in sorted(out.rglob("*.html")):
        parsed[path] = Links()
        text = path.read_text()
        parsed[path].feed(text)
        if "<script" in text:
            problems.append(f"{path.relative_to(out)}: a script")
    for path, page in parsed.items():
        here = path.relative_to(out)
        problems += [f"{here}: loads {a}" for a in page.assets
                     if re.match(r"[a-z]+:|//", a) or not (path.parent / a).exists()]
        for href in page.links:
            if re.match(r"[a-z]+:", href):
                continue
            target, _, anchor = href.partition("#")
            to = (path.parent / target).resolve() if target else path
            if to not in parsed:
                problems.append(f"{here}: the link {href} leads nowhere")
            elif anchor and anchor not in parsed[to].ids:
                problems.append(f"{here}: the anchor of {href} does not exist")
    return problems
