"""Reads *.cases: raw requests and the verdict that is right for them.

    @NAME = raw                 a name for raw bytes, used as {NAME}
    [id] LEVEL source: reason   MUST: the grammar or a MUST of the source decides; SHOULD: of the source;
                                POLICY: the source leaves a choice (to mend, to ignore), ours refuses
    > raw                       bytes to send; several lines are sent behind each other
    = METHOD target [name=value …] [*N]     a request that must be seen (N times), in this order
    = reject 400 413            then the rest is refused with one of these and the connection closed
    = close                     … closed without another answer
    = wait                      … nothing more: the message is not complete
    = continue                  an interim 100 is sent before the second > line

Without reject, close or wait the connection must go on: the next request on it is served.
Raw bytes know \\r \\n \\t \\0 \\xNN \\\\ \\{ \\| \\}, {NAME}, and {raw*N} for repeats.
Values behind name= are percent-encoded: body, path, host, sid.
"""
import pathlib
import re
import urllib.parse
from dataclasses import dataclass, field

HEAD = re.compile(r"\[([a-z0-9-]+)\] (MUST|SHOULD|POLICY) ([^:]+(?::[^ ][^:]*)*): (.+)")
PLAIN = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}


@dataclass
class Case:
    id: str
    level: str
    source: str
    reason: str
    where: str
    sends: list = field(default_factory=list)
    seen: list = field(default_factory=list)  # dicts of bytes: method, target, and what is named
    end: str = "keep"
    status: tuple = ()
    interim: bool = False

    @property
    def raw(self):
        return b"".join(self.sends)


def expand(text, names):
    """The bytes that `text` stands for."""
    out, i = bytearray(), 0
    while i < len(text):
        if text[i] == "\\":
            if text[i + 1] == "x":
                out += bytes([int(text[i + 2 : i + 4], 16)])
                i += 4
            else:
                out += PLAIN.get(text[i + 1], text[i + 1].encode())
                i += 2
        elif text[i] == "{":
            end = matching(text, i)
            inner = text[i + 1 : end]
            again = re.fullmatch(r"(.*)\*(\d+)", inner, re.S)
            out += expand(again[1], names) * int(again[2]) if again else names[inner]
            i = end + 1
        else:
            out += text[i].encode()
            i += 1
    return bytes(out)


def matching(text, at):
    depth = 0
    for i in range(at, len(text)):
        if text[i - 1] == "\\" and i > at:
            continue
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return i
    raise ValueError("open brace: " + text)


def expect(case, text, names):
    word, *rest = text.split(" ")
    if word == "reject":
        case.end, case.status = "reject", tuple(map(int, rest))
    elif word in ("close", "wait"):
        case.end = word
    elif word == "continue":
        case.interim = True
    else:
        times = int(rest.pop()[1:]) if rest[-1].startswith("*") and len(rest) > 1 else 1
        one = {"method": word.encode(), "target": expand(rest[0], names)}
        for pair in rest[1:]:
            name, value = pair.split("=", 1)
            one[name] = urllib.parse.unquote_to_bytes(expand(value, names))
        case.seen += [one] * times


def read(path):
    names, cases = {}, []
    for number, line in enumerate(path.read_text().split("\n"), 1):
        try:
            if line.startswith("@"):
                name, raw = line[1:].split(" = ", 1)
                names[name] = expand(raw, names)
            elif line.startswith("["):
                cases.append(Case(*HEAD.fullmatch(line).groups(), f"{path.name}:{number}"))
            elif line.startswith("> "):
                cases[-1].sends.append(expand(line[2:], names))
            elif line.startswith("= "):
                expect(cases[-1], line[2:], names)
            elif line and not line.startswith("#"):
                raise ValueError("neither @ [ > = nor #")
        except Exception as e:
            raise SystemExit(f"{path}:{number}: {e!r}: {line[:100]}") from e
    return cases


def read_all(folder=pathlib.Path(__file__).parent):
    cases = [c for path in sorted(folder.glob("*.cases")) for c in read(path)]
    ids = [c.id for c in cases]
    twice = {i for i in ids if ids.count(i) > 1}
    assert not twice, f"the same id twice: {twice}"
    empty = [c.id for c in cases if not c.sends or not (c.seen or c.end != "keep")]
    assert not empty, f"nothing sent or expected: {empty}"
    return cases
