"""Mutations of a Transfer-Encoding line, and an oracle of its own for what must become of each.

The oracle reads the head as RFC 9112 §2.2, §5 and §6.1 say, in a few lines that share nothing with
pando's parser: lines end in CRLF, a name is a token right before its colon, a value has no
controls, and a body is chunked if and only if there is exactly one Transfer-Encoding and its value
is the one word "chunked". No such header at all: no body, and the chunks are read as a request line.
"""
import random
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
LINE = re.compile(rb"(" + TOKEN + rb"):(" + VALUE + rb")")
BODY = b"5\r\nhello\r\n0\r\n\r\n"
ODD = [bytes([b]) for b in (0, 1, 8, 9, 10, 11, 12, 13, 27, 32, 34, 39, 44, 45, 46, 47, 58, 59, 61,
                            92, 95, 127, 128, 0x85, 0xa0, 0xc2, 0xff)]
WORDS = [b"chunked", b"identity", b"gzip", b"deflate", b"compress", b"x", b"", b"chunke", b"chunkedd",
         b"Chunked", b"CHUNKED", b"chu nked", b'"chunked"', b"chunked;a=b", b"chunked ;q=0", b"trailers",
         b"\xe2\x84\xaa", b"chun\xc5\xa9ked", b"%63hunked", b"chunked\\", b"chunked\x00"]
NAMES = [b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-ENCODING", b"Transfer_Encoding",
         b"Transfer-Encodin", b"Transfer-Encoding2", b"Transfer Encoding", b"TransferEncoding",
         b"Transfer-Encoding\x00", b"\xefTransfer-Encoding", b"X-Transfer-Encoding"]
SEPARATORS = [b": ", b":", b":\t", b":  \t ", b" : ", b"\t:", b":\x0b", b":\x0c", b":\xa0", b"::", b"=",
              b":\r\n ", b":\r\n\t", b":\n ", b"; ", b" ", b":\x00", b":\r"]
ENDS = [b"\r\n", b" \r\n", b"\t\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x00\r\n", b",\r\n", b"\r\n\r\n",
        b"\r\n x\r\n", b"\x0b\r\n", b";\r\n", b"\r\nTransfer-Encoding: chunked\r\n", b"\r\nX: y\r\n"]


def line(r):
    """One Transfer-Encoding line, with none to three things changed."""
    name, sep, value, end = NAMES[r.randrange(3)], SEPARATORS[r.randrange(4)], b"chunked", b"\r\n"
    for _ in range(r.choice((0, 1, 1, 1, 2, 3))):
        kind = r.randrange(8)
        if kind == 0:
            name = r.choice(NAMES)
        elif kind == 1:
            sep = r.choice(SEPARATORS)
        elif kind == 2:
            value = r.choice(WORDS)
        elif kind == 3:
            value = r.choice((b",", b", ", b" ,", b" ")).join(r.choice(WORDS) for _ in range(r.randrange(2, 4)))
        elif kind == 4:
            end = r.choice(ENDS)
        else:  # one odd byte put somewhere, or in the place of another
            part = name + sep + value
            at = r.randrange(len(part) + 1)
            return part[:at] + r.choice(ODD) + part[at + r.randrange(2) :] + end
    if r.randrange(4) == 0:
        value = bytes(c ^ 0x20 if 65 <= c & 0xdf <= 90 and r.randrange(2) else c for c in value)
    return name + sep + value + end


def mutations(count, seed):
    """(head, oracle's verdict) pairs: different heads, the same for the same seed."""
    r, done = random.Random(seed), set()
    while len(done) < count:
        before = r.choice((b"", b"", b"", b"X-A: b\r\n", b"Content-Length: 5\r\n"))
        behind = r.choice((b"", b"", b"", b"X-C: d\r\n", b"Content-Length: 0\r\n"))
        version = r.choice((b"1.1",) * 9 + (b"1.0",))
        head = b"POST /x HTTP/" + version + b"\r\nHost: a\r\n" + before + line(r) + behind + b"\r\n"
        if head not in done:
            done.add(head)
            yield head, oracle(head + BODY)


def oracle(message):
    """("reject", statuses), ("chunked", rest), ("length", n, rest), ("none", rest)."""
    end = message.find(b"\r\n\r\n")
    lines = message[:end].split(b"\r\n")
    fields = []
    for l in lines[1:]:
        m = LINE.fullmatch(l)
        if not m:
            return "reject", (400,)
        fields.append((m[1].lower(), m[2].strip(b" \t")))
    codings = [v for n, v in fields if n == b"transfer-encoding"]
    lengths = [v for n, v in fields if n == b"content-length"]
    rest = message[end + 4 :]
    if not codings:
        if len(lengths) > 1:
            return "reject", (400,)
        return ("length", int(lengths[0]), rest) if lengths else ("none", rest)
    if lengths or len(codings) > 1 or lines[0].endswith(b"1.0"):
        return "reject", (400, 501)
    if codings[0].lower() != b"chunked":
        known_form = re.fullmatch(TOKEN, codings[0]) and codings[0].lower() != b"identity"
        return "reject", (501,) if known_form else (400,)
    return "chunked", rest
