"""Fenced blocks of our pages and what their info strings say.

    ```LANG VERB [key=value …]

The first word is the language, for the reader's colours; the rest says how the block is proved:

    file=PATH                 the block is this file, in the page's folder
    add=PATH                  … goes to the end of that file
    add=PATH after="text"     … goes behind the one line that contains the text (or before="text")
    change=PATH from="a" to="b"   … replaces the lines from the one with a to the next one with b
    from=PATH                 … stands word for word in that file of the source tree; a line that is
                              only … stands for any lines. What the file does is proved by its own tests
    compile [with=a.h,b.h]    C: a unit that compiles
    body [with=…]             C: the inside of a handler that compiles
    run [exit=N] [within=S]   a shell session: "$ command", then what it prints; … stands for anything. within: until
                              it is so, for at most that many seconds (after a save, say)
    start [ready=PATH]        a shell command that goes on; waits until that path answers on its port
    stop                      ends what was started; the block is what the reader types: Ctrl-C
    check                     a configuration file of nginx, haproxy or systemd that its program accepts; check=later:
                              together with the next one
    skip="reason"             is not proved: languages that are not ours. Counted and shown

A block of language `text` needs no verb. Any other without one is an error: nothing escapes.
"""
import dataclasses
import re
import shlex

VERBS = ("file", "add", "change", "from", "compile", "body", "run", "start", "stop", "check", "skip")
KEYS = VERBS + ("after", "before", "to", "with", "exit", "ready", "within")
OPEN = re.compile(r"^( {0,3})(`{3,})\s*(.*)$")


class FenceError(Exception):
    """Says which file and line and what is wrong there."""


@dataclasses.dataclass
class Fence:
    page: str
    line: int  # of the opening fence
    lang: str
    verb: str
    opts: dict
    text: str  # with its last newline

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def read_info(place, info):
    try:
        words = shlex.split(info)
    except ValueError as e:
        raise FenceError(f"{place}: {e} in the info string: {info}") from e
    lang, opts = (words or ["text"])[0], {}
    for word in words[1:]:
        key, _, value = word.partition("=")
        if key not in KEYS:
            raise FenceError(f"{place}: {key} is no verb or option of a block (see tools/docs/fences.py)")
        opts[key] = value
    verbs = [v for v in VERBS if v in opts]
    if "change" in verbs:
        verbs.remove("from")
    if not verbs and lang == "text":
        return lang, "text", opts
    if len(verbs) != 1:
        raise FenceError(f"{place}: a block says in one word how it is proved, for instance "
                         f"```{lang} file=… (see tools/docs/fences.py)")
    return lang, verbs[0], opts


def fences_of(page, text):
    """All blocks of a page, in order. Blocks inside HTML comments count too: they are proved, not shown."""
    found, lines, at = [], text.split("\n"), 0
    while at < len(lines):
        m = OPEN.match(lines[at])
        at += 1
        if not m:
            continue
        start = at
        while at < len(lines) and lines[at].strip() != m.group(2):
            at += 1
        if at == len(lines):
            raise FenceError(f"{page}:{start}: this block is not closed")
        body = [line[len(m.group(1)):] for line in lines[start:at]]
        lang, verb, opts = read_info(f"{page}:{start}", m.group(3))
        found.append(Fence(page, start, lang, verb, opts, "".join(b + "\n" for b in body)))
        at += 1
    return found
