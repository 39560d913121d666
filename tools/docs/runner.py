"""Proves the blocks of pages: writes their files, compiles their C, runs their sessions.

Each page has a folder of its own in which its blocks happen one after the other, as a reader would type
them. `<!-- in: examples/shelf -->` on a page makes that folder a copy of an example. Sessions run with
the tree's `pando` in front of PATH, without a network, and on a free port: where a page says 8080, the
runner puts the free one.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import fences
import headers

COMMAND_SECONDS = 180
START_SECONDS = 120
UNIT = "#include <pando/pando.h>\n"
BODY = UNIT + "%s\npd_status docs_block(struct pd_ctx *c);\npd_status docs_block(struct pd_ctx *c)\n{\n    (void)c;\n" \
    "#line 1 \"block\"\n%s\n    return pd_no_content(c);\n}\n"
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-Wno-missing-field-initializers",
         "-fsyntax-only"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def matches(expected, got):
    """Line by line; … stands for anything in a line, and alone in a line for any lines."""
    pattern = ""
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(p.rstrip() if n else p) for n, p in enumerate(line.rstrip().split("…"))) \
                + r"[ \t]*\n"
    text = got.rstrip("\n") + "\n" if got.strip() else ""
    return re.fullmatch(pattern if expected.strip() else "", text) is not None


def session(text):
    """[(command, what it prints)] of a block; "> " continues a command."""
    steps = []
    for line in text.split("\n")[:-1]:
        if line.startswith("$ "):
            steps.append([line[2:], ""])
        elif line.startswith("> ") and steps and not steps[-1][1]:
            steps[-1][0] += "\n" + line[2:]
        elif steps:
            steps[-1][1] += line + "\n"
        else:
            return None
    return steps


class Runner:
    """One page at a time; several of them may work at the same time, each with a base of its own."""

    def __init__(self, root, build, base):
        self.root, self.build, self.base = root, build, base
        self.problems, self.counts = [], {}
        shutil.rmtree(self.base, ignore_errors=True)
        self.base.mkdir(parents=True)
        self.folder = self.cwd = self.base
        self.port, self.started = 0, []

    # --- a page ------------------------------------------------------------------------------------

    def page(self, name, blocks):
        if not blocks:
            return
        text = (self.root / name).read_text()
        self.folder = self.cwd = self.base / "page"
        example = re.search(r"<!-- in: (\S+) -->", text)
        if example:
            source = self.root / example.group(1)
            shutil.copytree(source, self.folder, ignore=shutil.ignore_patterns("build", "var"), symlinks=True)
        else:
            self.folder.mkdir()
        self.port = free_port()
        try:
            for block in blocks:
                if not self.block(block):
                    break  # what follows would only fail because of this
        finally:
            self.stop_all()

    def block(self, block):
        self.counts[block.verb] = self.counts.get(block.verb, 0) + 1
        before = len(self.problems)
        getattr(self, f"do_{block.verb}")(block)
        return len(self.problems) == before or block.verb in ("from", "compile", "body", "check")

    def complain(self, block, text):
        self.problems.append(f"{block.place}: {text}")

    def do_text(self, block):
        pass

    def do_skip(self, block):
        if not block.opts["skip"]:
            self.complain(block, "skip says why")

    # --- files -------------------------------------------------------------------------------------

    def do_file(self, block):
        path = self.cwd / block.opts["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def lines_of(self, block, name):
        path = self.cwd / name
        if not path.is_file():
            self.complain(block, f"there is no {name} to change")
            return None, []
        return path, path.read_text().split("\n")

    def line_with(self, block, lines, text, start=0):
        found = [n for n in range(start, len(lines)) if text in lines[n]]
        if not found or (len(found) > 1 and not start):
            self.complain(block, f"{len(found)} lines contain {text!r}: one is meant")
            return None
        return found[0]

    def do_add(self, block):
        path, lines = self.lines_of(block, block.opts["add"])
        if not path:
            return
        new = block.text.rstrip("\n").split("\n")
        at = len(lines) - 1
        for key in ("after", "before"):
            if key in block.opts:
                at = self.line_with(block, lines, block.opts[key])
                if at is None:
                    return
                at += key == "after"
        path.write_text("\n".join(lines[:at] + new + lines[at:]))

    def do_change(self, block):
        path, lines = self.lines_of(block, block.opts["change"])
        if not path:
            return
        first = self.line_with(block, lines, block.opts["from"])
        last = first if "to" not in block.opts or first is None else \
            self.line_with(block, lines, block.opts["to"], first + 1)
        if last is not None:
            path.write_text("\n".join(lines[:first] + block.text.rstrip("\n").split("\n") + lines[last + 1:]))

    def do_from(self, block):
        """Word for word, with … for lines left out, whatever the indentation of the whole is."""
        name = block.opts["from"]
        made = name.startswith("build/")  # by the build, from what the page talks about
        path = self.build / name[len("build/"):] if made else self.root / name
        if not path.is_file():
            self.complain(block, f"there is no {block.opts['from']}")
            return
        source = [line.strip() for line in path.read_text().split("\n")]
        pieces, piece = [], []
        for line in block.text.split("\n"):
            if line.strip() in ("…", "/* … */"):
                pieces.append(piece)
                piece = []
            elif line.strip():
                piece.append(line.strip())
        at = 0
        source = [line for line in source if line]
        for piece in [p for p in pieces + [piece] if p]:
            found = [n for n in range(at, len(source)) if source[n:n + len(piece)] == piece]
            if not found:
                self.complain(block, f"{block.opts['from']} does not contain: {piece[0]}")
                return
            at = found[0] + len(piece)

    # --- C -----------------------------------------------------------------------------------------

    def compile(self, block, unit):
        done = subprocess.run([os.environ.get("CC", "gcc"), *FLAGS, "-I", self.root / "include", "-I", self.cwd,
                               "-I", self.build / "finflow", "-I", self.root / "finflow/modules", "-I", self.root / "finflow",
                               "-x", "c", "-"], input=unit.encode(), capture_output=True)
        if done.returncode:
            self.complain(block, "does not compile:\n" + done.stderr.decode().rstrip())

    def includes(self, block):
        return "".join(f'#include "{h}"\n' for h in block.opts.get("with", "").split(",") if h)

    def do_compile(self, block):
        start = "" if "#include" in block.text else UNIT
        self.compile(block, start + self.includes(block) + '#line 1 "block"\n' + block.text)

    def do_body(self, block):
        self.compile(block, BODY % (self.includes(block), block.text.replace("…", "")))

    def header(self, header, template):
        """Compiles the worked examples of a header inside the template that stands around them."""
        block = fences.Fence(f"include/pando/{header.name}", 1, "c", "example", {}, "")
        text = template.read_text() if template.exists() else ""
        for n, example in enumerate(headers.examples(header), 1):
            if not re.search(rf"\bEXAMPLE_{n}\b", text):
                self.complain(block, f"tools/docs/examples/{template.name} has no place EXAMPLE_{n} for: "
                              + example.split("\n")[0])
                return
            text = re.sub(rf"^( *)EXAMPLE_{n}$", lambda m: m.group(1) + example.replace("…", ""), text, flags=re.M)
            self.counts["example"] = self.counts.get("example", 0) + 1
        if text:
            self.compile(block, UNIT + text)

    # --- sessions ----------------------------------------------------------------------------------

    def environment(self):
        keep = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG", "TERM", "CC", "TMPDIR", "USER", "LOGNAME")
                or k.startswith("CCACHE_")}
        bin_folder = self.base / "bin"
        if not bin_folder.exists():
            bin_folder.mkdir()
            (bin_folder / "pando").symlink_to(self.build / "src/cli/pando")
        return keep | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "PORT": str(self.port), "NO_COLOR": "1"}

    def own_port(self, text):
        return re.sub(r"\b8080\b", str(self.port), text)

    def do_run(self, block):
        steps = session(block.text)
        if not steps:
            self.complain(block, 'a session begins with "$ command"')
            return
        wanted = int(block.opts.get("exit") or 0)
        deadline = time.monotonic() + float(block.opts.get("within") or 0)
        for n, (command, expected) in enumerate(steps):
            last = n + 1 == len(steps)
            code, got = self.command(command)
            while not matches(expected or got, got) and time.monotonic() < deadline:
                time.sleep(0.2)
                code, got = self.command(command)
            if code != (wanted if last else 0):
                self.complain(block, f"$ {command}\nended with {code}; it printed:\n{got}")
                return
            if expected and not matches(expected, got):
                self.complain(block, f"$ {command}\nwas to print:\n{expected}but printed:\n{got}")
                return

    def command(self, command):
        where = self.base / "cwd"
        script = f"{self.own_port(command)}\npando_docs_code=$?\npwd >{where}\nexit $pando_docs_code"
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen(["bash", "-c", script], cwd=self.cwd, env=self.environment(), stdout=out,
                                     stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                code = child.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                code = f"no end after {COMMAND_SECONDS} s"
            out.seek(0)
            got = out.read().decode(errors="replace").replace("\r\n", "\n")
        if where.exists():
            self.cwd = pathlib.Path(where.read_text().strip())
        got = re.sub(rf"\b{self.port}\b", "8080", got)
        return code, got.replace(str(self.folder), "…")

    def do_start(self, block):
        command = "\n".join(line[2:] if line.startswith("$ ") else line for line in block.text.strip().split("\n")
                            if line.startswith("$ ") or not block.text.startswith("$ "))
        log = open(self.folder / f"started-{len(self.started)}.log", "wb")
        child = subprocess.Popen(["bash", "-c", "exec env " + self.own_port(command)], cwd=self.cwd, env=self.environment(),
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        log.close()
        self.started.append((child, log.name))
        url = f"http://127.0.0.1:{self.port}{block.opts.get('ready') or '/'}"
        deadline = time.monotonic() + START_SECONDS
        while not self.answers(url):
            if child.poll() is not None or time.monotonic() > deadline:
                self.complain(block, f"{command}: nothing answers at {url}; it printed:\n"
                              + pathlib.Path(log.name).read_text(errors="replace")[-4000:])
                return
            time.sleep(0.05)

    def answers(self, url):
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5).close()
            return True
        except urllib.error.HTTPError as e:
            return e.code < 500
        except OSError:
            return False

    def do_stop(self, block):
        if not self.started:
            self.complain(block, "nothing was started")
        self.stop_all()

    def stop_all(self):
        """As Ctrl-C does; what does not end is killed, with all its children."""
        for child, _ in self.started:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGINT)
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        self.started = []

    # --- configuration files -------------------------------------------------------------------------

    def do_check(self, block):
        commands = {"nginx": ["nginx", "-t", "-p", str(self.folder), "-c"], "haproxy": ["haproxy", "-c", "-f"],
                    "systemd": ["systemd-analyze", "verify"]}
        if block.lang not in commands:
            self.complain(block, f"no program to check {block.lang} with")
            return
        program = commands[block.lang]
        if not shutil.which(program[0], path=os.environ["PATH"] + ":/usr/sbin"):
            self.complain(block, f"{program[0]} is missing: scripts/deps test installs it")
            return
        name = re.match(r"#\s*(\S+)", block.text)  # the first line names the file
        path = self.folder / (pathlib.Path(name.group(1)).name if name else f"{block.lang}.conf")
        text = block.text
        if block.lang == "nginx" and "events" not in text:
            text = f"pid {self.folder}/nginx.pid; error_log stderr; events {{}}\nhttp {{\n access_log off;\n{text}}}\n"
        if block.lang == "systemd":  # the program is not installed here
            text = re.sub(r"=/opt/\S+", "=/bin/true", text)
        path.write_text(text)
        if block.opts["check"] == "later":  # together with the file that comes next
            return
        done = subprocess.run([*program, path], capture_output=True, text=True, cwd=self.folder,
                              env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"})
        if done.returncode:
            self.complain(block, f"{program[0]} refuses it:\n{done.stderr}{done.stdout}")
