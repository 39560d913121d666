"""Sends raw bytes on a connection and reads all answers until it ends."""
import os
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field

TIMEOUT = 20  # of a connection that does not end: a failure, not a measure


class Bad(Exception):
    """The answer is not HTTP."""


@dataclass
class Talk:
    port: int = 0  # ours
    statuses: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    interims: int = 0
    error: str = ""  # what was wrong with the answers; "reset", "timeout"


def one_answer(data, to_head):
    """(interim, status, body, rest) of the answer that `data` begins with; None if incomplete."""
    head, mark, rest = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    line = re.match(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*", head)
    if not line:
        raise Bad(f"no status line: {data[:40]!r}")
    status = int(line[1])
    if status < 200:
        return True, status, b"", rest
    fields = [l.partition(b":") for l in head.split(b"\r\n")[1:]]
    names = {n.lower(): v.strip() for n, _, v in fields}
    if to_head or status in (204, 304):
        return False, status, b"", rest
    if names.get(b"transfer-encoding") == b"chunked":
        return chunked(status, rest)
    if b"content-length" not in names:
        return False, status, rest, b""
    n = int(names[b"content-length"])
    return (False, status, rest[:n], rest[n:]) if len(rest) >= n else None


def chunked(status, rest):
    body = b""
    while True:
        size, mark, rest = rest.partition(b"\r\n")
        if not mark:
            return None
        n = int(size.split(b";")[0], 16)
        if len(rest) < n + 2:
            return None
        body, rest = body + rest[:n], rest[n + 2 :]
        if n == 0:
            return False, status, body, rest


def answers(data, heads, talk):
    """Fills talk from all that was received. heads[i]: the i-th request was HEAD."""
    while data:
        to_head = heads[len(talk.statuses)] if len(talk.statuses) < len(heads) else False
        try:
            got = one_answer(data, to_head)
        except (Bad, ValueError) as e:
            talk.error = str(e)
            return
        if not got:
            talk.error = f"incomplete answer: {data[:60]!r}"
            return
        interim, status, body, data = got
        talk.interims += interim
        if not interim:
            talk.statuses.append(status)
            talk.bodies.append(body)


def talk(address, sends, heads=(), half_close=False, interim=False, pause=0.0, timeout=TIMEOUT):
    """One connection. `interim`: the second piece waits for a 100. `pause` is between pieces."""
    t, data = Talk(), b""
    with socket.create_connection(address, timeout=timeout) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        t.port = s.getsockname()[1]
        try:
            for i, piece in enumerate(sends):
                if i == 1 and interim:
                    data += s.recv(65536)
                elif i and pause:
                    time.sleep(pause)
                s.sendall(piece)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused while we still sent: the answer is on its way
        try:
            while piece := s.recv(65536):
                data += piece
        except ConnectionResetError:
            t.error = "reset"
        except TimeoutError:
            t.error = "timeout: the connection neither answers nor ends"
    answers(data, heads, t)
    return t


def fields(line):
    """The dict of bytes that a line of the server stands for."""
    pairs = (p.partition(b"=") for p in line.split(b"&"))
    return {n.decode(): urllib.parse.unquote_to_bytes(v) for n, _, v in pairs}


class Server:
    """The program that tells what it saw, on a free port; seen() gives what came since the last."""

    def __init__(self, program):
        self.log, self.at = tempfile.TemporaryFile(), 0
        self.process = subprocess.Popen([program], stdout=self.log, stderr=subprocess.DEVNULL)
        while not (line := self._lines()):
            assert self.process.poll() is None, f"{program} ended with {self.process.returncode}"
            time.sleep(0.01)
        self.address = ("127.0.0.1", int(line[0]))

    def _lines(self):
        """Whole lines behind `at`. pread, because the server writes to the same open file."""
        log = self.log.fileno()
        data = os.pread(log, os.fstat(log).st_size - self.at, self.at)
        whole = data[: data.rfind(b"\n") + 1]
        self.at += len(whole)
        return whole.split(b"\n")[:-1]

    def seen(self):
        return [fields(l) for l in self._lines()]

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        self.process.wait()
