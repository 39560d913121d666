"""An app made by `pando new`, and the cases: mistakes that are made in it.

A file of cases is plain text:

    ### a name for the test
    --- edit modules/notes/queries.sql      what is wrong: each old text is replaced by the new one
    where id = :id
    =>
    where idd = :id
    --- do make gen                         what the author types, in the app's folder; see commands() below
    --- says                                what he then reads: these lines, in this order. … stands for anything
    modules/notes/queries.sql:11:38: error …
    --- mend modules/notes/queries.sql      what the message told him to do; then the same command must work
    where idd = :id
    =>
    where id = :id

`--- needs COMMAND` leaves the case out where that fails: not every machine lets a test make a small disk.
An edit without old text makes the file, or adds to its end. `--- mend` alone undoes all edits; `--- mended by COMMAND`
runs a command instead.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PANDO_BUILD", ROOT / "build"))
PANDO = BUILD / "src/cli/pando"
SECONDS = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# --- the text of the cases -----------------------------------------------------------------------------------------

class Case:
    def __init__(self, name, parts):
        self.name = name
        self.edits, self.mends, self.do, self.says = [], [], None, []
        self.undo, self.command, self.needs = False, None, None
        for head, body in parts:
            word, _, rest = head.partition(" ")
            if word == "edit":
                self.edits.append((rest, body))
            elif word == "do":
                self.do = rest
            elif word == "says":
                self.says = body.strip("\n").split("\n")
            elif word == "needs":
                self.needs = rest
            elif head.startswith("mended by "):
                self.command = head[len("mended by "):]
            elif word == "mend" and rest:
                self.mends.append((rest, body))
            elif word == "mend":
                self.undo = True
            else:
                raise ValueError(f"{name}: --- {head}")


def read_cases():
    for path in sorted(pathlib.Path(__file__).parent.glob("*.txt")):
        for part in re.split(r"^### ", path.read_text(), flags=re.M)[1:]:
            name, rest = part.split("\n", 1)
            pieces = re.split(r"^--- (.*)\n", rest, flags=re.M)[1:]
            yield Case(name, list(zip(pieces[::2], pieces[1::2])))


# --- the app -------------------------------------------------------------------------------------------------------

class App:
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.before = {}

    def env(self, **more):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "CCACHE_DIR", "LDLIBS_EXTRA")}
        return {**keep, "PANDO": str(PANDO), "PORT": str(self.port), "HOST": "127.0.0.1",
                "PANDO_ENV": "development", "LC_ALL": "C.UTF-8", **more}

    def shell(self, line):
        return subprocess.run(["sh", "-c", line], cwd=self.folder, env=self.env(), text=True, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")

    def edit(self, name, body):
        path = self.folder / name
        old, arrow, new = body.partition("=>\n")
        old, new = old.rstrip("\n"), new.rstrip("\n")
        text = path.read_text() if path.exists() else None
        self.before.setdefault(path, text)
        if not arrow:
            old, new = "", body.rstrip("\n") + "\n"
        if old:
            assert text is not None and text.count(old) == 1, f"{name} has not just once:\n{old}"
            new = text.replace(old, new)
        elif text is not None:
            new = text + new
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new)

    def undo(self):
        for path, text in self.before.items():
            path.unlink() if text is None else path.write_text(text)

    # Each returns what the author reads, and whether it worked.

    def serve(self, setting=""):
        """Starts the program; it worked if it answers."""
        log = open(self.folder / "log", "w+b")
        process = subprocess.Popen(["sh", "-c", f"{setting} exec build/shop serve"], cwd=self.folder, env=self.env(),
                                   stdout=log, stderr=log)
        until = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/up", timeout=5).read()
                return process
            except OSError:
                time.sleep(0.02)
        return process

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, process):
        if process.poll() is None:
            process.terminate()
        process.wait(SECONDS)

    def started(self, setting):
        process = self.serve(setting)
        alive = process.poll() is None
        self.stop(process)
        return self.log(), alive

    def ask(self, method, path, kind="", body=""):
        """Sends one request to the built program, as a browser does."""
        process = self.serve()
        headers = {"Accept": "application/json" if kind == "json" else "text/html"}
        if kind:
            headers["Content-Type"] = "application/" + ("json" if kind == "json" else "x-www-form-urlencoded")
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, headers=headers,
                                         data=body.encode() if kind else None)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            status, text = answer.code, answer.read().decode()
        except OSError as e:
            status, text = 0, f"no answer: {e}"
        self.stop(process)
        page = re.sub(r"[ \t]*\n\s*", "\n", re.sub(r"<(?!b>|/b>)[^>]*>", "\n", text))
        return f"{status}\n{page}\n{self.log()}", 0 < status < 400

    def do(self, line):
        if line.startswith(("make GET ", "make POST ")):
            said = self.shell("make -s")
            if said.returncode != 0:
                return said.stdout, False
            line = line[len("make "):]
        words = line.split(" ", 3)
        if words[0] in ("GET", "POST", "PUT"):
            return self.ask(*words)
        before, served, _ = line.partition("build/shop serve")
        if before.endswith("&& "):
            said = self.shell(before[:-len("&& ")])
            if said.returncode != 0:
                return said.stdout, False
            before = ""
        if served:
            return self.started(before.strip())
        said = self.shell(line)
        return said.stdout, said.returncode == 0


def matches(wanted, output):
    """All wanted lines in their order; returns the first that is missing, or None."""
    lines = iter(output.split("\n"))
    for line in wanted:
        pattern = ".*".join(re.escape(piece) for piece in line.strip().split("…"))
        if not any(re.search(pattern, have) for have in lines):
            return line
    return None


def made(folder):
    """A fresh app, built; the tests copy it."""
    subprocess.run([PANDO, "new", "shop"], cwd=folder, check=True, capture_output=True, timeout=SECONDS)
    app = App(folder / "shop")
    said = app.shell("make -s")
    assert said.returncode == 0, said.stdout
    return app.folder


def copied(folder, to):
    shutil.copytree(folder, to, symlinks=True)  # with its times: make builds only what is edited
    return App(to)
