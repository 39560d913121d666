"""What torture needs to know about a program: its sites (from a record that libtorture wrote) by name, and every
place in it that calls an allocator or the system (from the disassembly), so that none is forgotten."""
import os
import pathlib
import re
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FRAMES, SITES_MAX, LEAKS_MAX, TESTS_MAX = 4, 8192, 32, 192
BITS = TESTS_MAX // 64
HEADER, SITE = struct.Struct(f"{8 + TESTS_MAX}I"), struct.Struct(f"{1 + FRAMES + BITS}Q2I24s")
LEAK = struct.Struct(f"{1 + FRAMES}Q")

# Library functions that allocate or call the system for us: a call of one is a site too.
THROUGH = {"strdup", "strndup", "asprintf", "vasprintf", "__asprintf_chk", "__vasprintf_chk", "open_memstream",
           "getline", "getdelim", "realpath", "scandir", "backtrace_symbols", "fdopen", "fputs", "fwrite",
           "sqlite3_open_v2", "sqlite3_prepare_v2", "sqlite3_prepare_v3", "sqlite3_exec", "sqlite3_step",
           "sqlite3_close", "sqlite3_wal_checkpoint_v2", "sqlite3_initialize"} - {"fputs", "fwrite"}
IN_C = {"malloc", "calloc", "realloc", "open", "open64", "openat", "fcntl64", "epoll_ctl", "pthread_create"}


def call_names():
    return set(re.findall(r"^CALL\([^,]+, (\w+),", (HERE / "calls.def").read_text(), re.M)) | IN_C


class Record:
    """What one run left. `sites` only if asked for: they are many, and most runs are only judged."""

    def __init__(self, path, with_sites):
        data = pathlib.Path(path).read_bytes()
        (self.nsites, self.lost, self.finished, self.nleaks, self.descriptors, self.fired, self.in_request,
         ntests, *us) = HEADER.unpack_from(data)
        self.test_us = us[:ntests]
        self.sites = [Site(*s) for s in SITE.iter_unpack(data[HEADER.size:][:SITES_MAX * SITE.size]) if s[0]] if with_sites else []
        self.leaks = []
        at = HEADER.size + SITES_MAX * SITE.size
        for i in range(min(self.nleaks, LEAKS_MAX)):
            size, *frames = LEAK.unpack_from(data, at + i * LEAK.size)
            self.leaks.append((size, [f for f in frames if f]))


class Site:
    def __init__(self, hash_, *rest):
        frames, bits, (self.count, _, name) = rest[:FRAMES], rest[FRAMES:FRAMES + BITS], rest[FRAMES + BITS:]
        self.hash, self.call = hash_, name.rstrip(b"\0").decode()
        self.frames = [f for f in frames if f]
        self.tests = [i for i in range(TESTS_MAX) if bits[i // 64] >> i % 64 & 1]


class Program:
    """Names for addresses, by addr2line, asked once for each."""

    def __init__(self, path):
        self.path = str(path)
        self.known = {}

    def function(self, name):
        """(low, high): where in the file the code of a function is; (0, 0) if the program has none of that name."""
        text = subprocess.run(["nm", "-S", self.path], capture_output=True, text=True, check=True).stdout
        at = re.search(rf"^([0-9a-f]+) ([0-9a-f]+) [tT] {name}$", text, re.M)
        return (int(at[1], 16), int(at[1], 16) + int(at[2], 16)) if at else (0, 0)

    def learn(self, addresses):
        new = sorted({a for a in addresses if a not in self.known})
        if not new:
            return
        text = subprocess.run(["addr2line", "-a", "-f", "-e", self.path, *map(hex, new)], capture_output=True,
                              text=True, check=True).stdout.splitlines()
        for i in range(0, len(text), 3):
            file, _, line = text[i + 2].split(" ")[0].rpartition(":")
            file = re.sub(r"^.*?/(?=(src|finflow|tests)/)", "", os.path.normpath(file))  # a test may include a source
            file = re.sub(r"^(\.\./)+", "", file)
            self.known[int(text[i], 16)] = (text[i + 1], file, line)

    def learn_record(self, record):
        frames = [f for s in record.sites for f in s.frames] + [f for _, fs in record.leaks for f in fs]
        self.learn(f - 1 for f in frames)

    def place(self, frame):
        return self.known[frame - 1]

    def text(self, frames):
        return " < ".join("{} ({}:{})".format(*self.place(f)) for f in frames)

    def ours(self, site):
        """Is the call itself in the library (or in FinFlow), not in a test? Layer os only passes on, so there its
        caller counts: a test's own client that cannot send has nothing to wait for."""
        files = [self.place(f)[1] for f in site.frames]
        file = next((f for f in files if not f.startswith("src/os/")), files[0])
        return file.startswith(("src/", "finflow/")) and "/tests/" not in file

    def calls(self, site, function):
        return not function or function in {self.place(f)[0] for f in site.frames}

    def static_calls(self):
        """[(address behind the call, callee)] of every call of an allocator or of the system."""
        names = call_names() | THROUGH
        out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", self.path], capture_output=True, text=True,
                             check=True).stdout
        found, jumps, callers, wanted, inside = [], [], {}, None, None
        for line in out.splitlines():
            head = re.match(r"^[0-9a-f]+ <([^>]+)>:", line)
            if head:
                inside = head[1]
                continue
            code = re.match(r"^ +([0-9a-f]+):\t(\w+) *(.*)", line)
            if not code:
                continue
            here = int(code[1], 16)
            if wanted:
                if wanted[0] == "outside":
                    found.append((here, wanted[1]))
                else:
                    callers.setdefault(wanted[1], []).append(here)
            wanted = None
            target = re.match(r"[0-9a-f]+ <([\w.]+)(@plt)?(\+0x[0-9a-f]+)?>", code[3])
            if not target or target[3]:
                continue
            outside = target[2] and target[1] in names
            if code[2] == "call":
                wanted = ("outside" if outside else "inside", target[1])
            elif code[2] == "jmp" and outside:
                jumps.append((here + 1, target[1], inside))
        # A tail call leaves no frame: it shows as the call of the function it ends.
        return found, [(at, name, callers.get(fn, [])) for at, name, fn in jumps]
