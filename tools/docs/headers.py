"""Reads our C headers: what a plain /* */ comment says about which name.

A header is a top comment, then groups. A group is declarations that follow each other without an empty
line or a comment of their own; the comment right above it speaks of all of them. `/* --- x --- */` begins
a section. What stands between `/* --- private` and the next section is not for authors and is left out.

This reads the C that we write (clang-format's layout, one declaration at a time), not all of C: what
it does not understand is an error with file and line, never a silent gap.
"""
import dataclasses
import re

SECTION = re.compile(r"/\*\s*-{3,}\s*(.*?)\s*-*\s*\*/", re.S)
FUNCTION_NAME = re.compile(r"\b(pd_\w+)\s*\(")
TYPE_NAME = re.compile(r"^(?:typedef\s+)?(?:struct|enum|union)\s+(\w+)\s*(?=[{;])")
ATTRIBUTES = re.compile(r"__attribute__\s*\(\(.*?\)\)", re.S)


class HeaderError(Exception):
    """Names the place; the message is for the author of the header."""


@dataclasses.dataclass
class Item:
    kind: str  # function, macro, type, constant
    name: str
    code: str  # as it is shown
    line: int
    also: list = dataclasses.field(default_factory=list)  # enumerators


@dataclasses.dataclass
class Group:
    comment: str  # without /* */; "" if it has none
    items: list
    line: int


@dataclasses.dataclass
class Section:
    title: str
    comment: str  # prose that stands alone at its beginning
    groups: list


@dataclasses.dataclass
class Header:
    name: str
    summary: str
    prose: str
    sections: list

    def items(self):
        return [i for s in self.sections for g in s.groups for i in g.items]


# --- lexing: chunks of whole lines ---------------------------------------------------------------


def comment_text(raw):
    """The words of a comment, without its frame and with its own indentation kept."""
    body = raw.strip()[2:-2]
    lines = [re.sub(r"^\s*\* ?", "", at) if n else at.lstrip() for n, at in enumerate(body.split("\n"))]
    return "\n".join(at.rstrip() for at in lines).strip("\n").rstrip()


def blank_comments(text):
    """The same text with comments and strings overwritten, so that braces can be counted."""
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'",
                  lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def is_whole(text):
    """Does a declaration that began here end here?"""
    bare = blank_comments(text)
    if text.count("/*") > text.count("*/"):
        return False
    depth = bare.count("{") - bare.count("}") + bare.count("(") - bare.count(")")
    end = bare.rstrip()
    inline = re.match(r"\s*static inline", bare)
    return depth == 0 and (end.endswith(";") or (inline and end.endswith("}")))


def chunks(path, text):
    """Yields (kind, text, line): comment, directive, code, empty."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        first, line = at, lines[at]
        at += 1
        if not line.strip():
            yield "empty", "", first + 1
        elif line.startswith("/*"):
            while "*/" not in "\n".join(lines[first:at]):
                at += 1
            yield "comment", "\n".join(lines[first:at]), first + 1
        elif line.startswith("#"):
            while lines[at - 1].endswith("\\") or \
                    "\n".join(lines[first:at]).count("/*") > "\n".join(lines[first:at]).count("*/"):
                at += 1
            yield "directive", "\n".join(lines[first:at]), first + 1
        else:
            while not is_whole("\n".join(lines[first:at])):
                if at == len(lines):
                    raise HeaderError(f"{path}:{first + 1}: this declaration has no end")
                at += 1
            yield "code", "\n".join(lines[first:at]), first + 1


# --- one declaration -----------------------------------------------------------------------------


def trailing_comment(code):
    m = re.search(r"[;)]\s*(/\*((?!\*/).)*\*/)\s*$", code, re.S)
    return comment_text(m.group(1)) if m else ""


def prototype(code):
    """A function as it is called: no body, no attributes, one line of spaces."""
    bare = blank_comments(code)
    end = bare.find("{") if "{" in bare else len(bare.rstrip())
    text = ATTRIBUTES.sub("", bare[:end]).strip().rstrip(";").rstrip()
    return re.sub(r"\n\s*", "\n    ", re.sub(r"[ ]+", " ", re.sub(r"\s+\n", "\n", text))) + ";"


def read_macro(text, line):
    m = re.match(r"#\s*define\s+(\w+)(\([^)]*\))?(.*)", text, re.S)
    name, args, value = m.group(1), m.group(2), m.group(3)
    if name.endswith("_H") and not value.strip():
        return None  # include guard
    value = value.replace("\\\n", " ")
    short = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", value, flags=re.S)).strip()
    shown = f"#define {name}{args or ''}" + (f" {short}" if not args and len(short) < 60 else "")
    return Item("macro", name, shown, line)


def read_code(path, text, line):
    bare = ATTRIBUTES.sub("", blank_comments(text)).strip()
    kind = TYPE_NAME.match(bare)
    if kind:
        body = re.findall(r"\b(PD_\w+)\b\s*(?:=[^,}]*)?\s*[,}\n]", bare) if "enum" in bare else []
        return Item("type", kind.group(1), text.strip(), line, body)
    if bare.startswith("enum"):
        names = re.findall(r"\b(PD_\w+)\s*=", bare)
        if names:
            return Item("constant", names[0], text.strip(), line, names[1:])
    if bare.startswith("typedef"):
        name = re.search(r"(\w+)\s*;$", bare)
        alias = re.search(r"\(\*(\w+)\)", bare) or name
        return Item("type", alias.group(1), text.strip(), line)
    if bare.startswith("extern"):
        return Item("constant", re.search(r"(\w+)(\[\])?;", bare).group(1), text.strip(), line)
    name = FUNCTION_NAME.search(bare)
    if not name:
        raise HeaderError(f"{path}:{line}: cannot tell what is declared here: {bare.splitlines()[0]}")
    return Item("function", name.group(1), prototype(text), line)


def read_item(path, kind, text, line):
    if kind == "code":
        return read_code(path, text, line)
    return read_macro(text, line) if re.match(r"#\s*define", text) else None


# --- the whole header ----------------------------------------------------------------------------


class Reader:
    """Puts chunks together. `comment` is the one that waits for what follows it."""

    def __init__(self, path):
        self.path, self.section, self.sections = path, None, []
        self.comment, self.group, self.private = None, None, False
        self.begin("", False)

    def begin(self, title, private):
        self.section, self.private = Section(title, "", []), private
        self.group = None
        if not private:
            self.sections.append(self.section)

    def take(self, kind, text, line):
        if kind == "empty":
            self.alone()
            self.group = None
        elif kind == "comment":
            self.take_comment(text)
        else:
            self.take_item(read_item(self.path, kind, text, line), text, line)

    def take_comment(self, text):
        self.alone()
        self.group = None
        section = SECTION.fullmatch(text.strip())
        if section:
            title = re.sub(r"[\s*-]+$", "", section.group(1))
            self.begin(title, title.startswith("private"))
        else:
            self.comment = comment_text(text)

    def alone(self):
        """A comment with nothing right under it speaks for its section."""
        if self.comment:
            self.section.comment += ("\n\n" if self.section.comment else "") + self.comment
        self.comment = None

    def take_item(self, item, text, line):
        if item is None or item.name.endswith("_"):
            return
        tail = trailing_comment(text) if item.kind in ("function", "macro") else ""
        if self.group is None or self.comment is not None:
            self.group = Group(self.comment or "", [], line)
            self.section.groups.append(self.group)
            self.comment = None
        if tail:
            item.code += " /* " + " ".join(tail.split()) + " */"
        self.group.items.append(item)


def read(path):
    text = path.read_text()
    if not text.startswith("/*"):
        raise HeaderError(f"{path}:1: a header begins with the comment that says what it is")
    end = text.index("*/") + 2
    top = comment_text(text[:end])
    first, _, prose = top.partition("\n")
    reader = Reader(path)
    for kind, chunk, line in chunks(path, text[end:]):
        reader.take(kind, chunk, line + text[:end].count("\n"))
    reader.alone()
    name, _, summary = first.partition(" - ")
    sections = [s for s in reader.sections if s.groups or s.comment]
    return Header(name.strip(), summary.strip(), prose.strip("\n"), sections)


def examples(header):
    """The worked examples of the top comment: runs of indented lines."""
    runs = re.findall(r"(?:^ {4}[^\n]*(?:\n|$))+", header.prose, re.M)
    return [re.sub(r"^ {4}", "", r, flags=re.M) for r in runs]


def uncommented(path, header):
    """Functions that neither their group nor their section speaks of, as file:line: text."""
    found = []
    for section in header.sections:
        for group in section.groups:
            said = group.comment or section.comment
            found += [f"{path}:{i.line}: {i.name} has no comment" for i in group.items
                      if i.kind == "function" and not said and "/*" not in i.code]
    return found
