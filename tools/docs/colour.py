"""Colours for code: comments, strings, words of the language. Small on purpose; never changes the text."""
import html
import re

WORDS = {
    "c": "auto bool break case char const continue default do double else enum extern false float for goto if "
         "inline int int32_t int64_t long return short signed size_t sizeof static struct switch true typedef "
         "uint8_t uint32_t uint64_t uintptr_t union unsigned void while NULL pd_id pd_str pd_err pd_money pd_time "
         "pd_date pd_uuid pd_status pd_opt_i64 pd_json",
    "sql": "select from where and or not null insert into values update set delete create table index unique on "
           "conflict do nothing primary key references check order by limit group having join left as in desc asc "
           "exists coalesce count sum default id ref xref text int money bool ts date uuid json returning is",
    "sh": "cd export if then fi for in do done",
}
COMMENT = {"c": r"/\*.*?\*/|//[^\n]*", "sql": r"--[^\n]*", "sh": r"(?m:(?<![^\s])#[^\n]*)",
           "ini": r"(?m:^\s*[#;][^\n]*)", "make": r"(?m:^\s*#[^\n]*)", "nginx": r"(?m:^\s*#[^\n]*)"}
STRING = {"c": r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", "sql": r"'[^']*'", "sh": r"\"[^\"\n]*\"|'[^'\n]*'"}


def pattern(lang):
    parts = [f"(?P<c>{COMMENT[lang]})"]
    if lang in STRING:
        parts.append(f"(?P<s>{STRING[lang]})")
    if lang == "c":
        parts.append(r"(?P<p>(?m:^\s*#\s*\w+))")
    if lang == "html":
        parts.append(r"(?P<k>\{\{.*?\}\})")
    if lang in WORDS:
        parts.append(r"(?P<k>\b(?:%s)\b)" % "|".join(WORDS[lang].split()))
    return re.compile("|".join(parts), re.S | (re.I if lang == "sql" else 0))


COMMENT["html"] = r"\{\{!.*?\}\}|<!--.*?-->"
PATTERNS = {lang: pattern(lang) for lang in COMMENT}


def session(text):
    """A shell session: what is typed stands out from what is printed."""
    lines = []
    for line in text.split("\n"):
        shown = html.escape(line)
        lines.append(f"<b>{shown}</b>" if line.startswith(("$ ", "> ")) else shown)
    return "\n".join(lines)


def code(lang, text):
    """HTML of the text of a block."""
    if lang in ("sh", "console") and re.search(r"^\$ ", text, re.M):
        return session(text)
    found = PATTERNS.get(lang)
    if not found:
        return html.escape(text)
    out, at = [], 0
    for m in found.finditer(text):
        out.append(html.escape(text[at:m.start()]))
        out.append(f'<span class="{m.lastgroup}">{html.escape(m.group())}</span>')
        at = m.end()
    return "".join(out) + html.escape(text[at:])
