"""Tests of `pando dev`: they know it by its terminal, its sockets and the files they save."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from clients import free_port  # noqa: E402

BUILD = pathlib.Path(os.environ.get("PANDO_BUILD", ROOT / "build"))
PANDO = BUILD / "src" / "cli" / "pando"
HTML = {"Accept": "text/html,application/xhtml+xml"}
PATIENCE = 60

HANDLERS = r"""
#include <stdlib.h>
#define VERSION "v0"
static pd_status show_version(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"), PD_STR(VERSION));
}
static pd_status show_crash(struct pd_ctx *c)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)pd_query(c, "at").len;
    *nowhere = 1; /* CRASH */
    return pd_no_content(c);
}
static pd_status show_wild(struct pd_ctx *c)
{
    const char *nowhere = (const char *)(uintptr_t)pd_query(c, "at").len;
    struct site_error_view view = { .detail = pd_str_n(nowhere, 1) };
    return site_error_render(c, 200, &view);
}
static pd_status show_assert(struct pd_ctx *c)
{
    pd_assert(pd_query(c, "at").len > 0); /* ASSERT */
    return pd_no_content(c);
}
static pd_status show_exit(struct pd_ctx *c)
{
    (void)c;
    exit(3);
}
static pd_status take_upload(struct pd_ctx *c)
{
    uint64_t n = 0;
    pd_str piece;
    do {
        if (pd_body_next(c, &piece) != PD_OK)
            return pd_problem(c, 400, "broken", "the body broke off");
        n += piece.len;
    } while (piece.len);
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_fmt(c->arena, "%llu", (unsigned long long)n));
}
static pd_status show_slow(struct pd_ctx *c)
{
    (void)!pd_sleep(300000);
    return show_version(c);
}
static const struct pd_route ROUTES[] = {
    { PD_GET_, "/version", show_version },
    { PD_POST_, "/version", show_version, .any_origin = true },
    { PD_GET_, "/crash", show_crash },
    { PD_GET_, "/wild", show_wild },
    { PD_GET_, "/assert", show_assert },
    { PD_GET_, "/exit", show_exit },
    { PD_GET_, "/slow", show_slow },
    { PD_POST_, "/upload", take_upload, .any_origin = true, .stream_body = true, .max_body = 64 << 20 },
"""


def until(what, seconds=PATIENCE):
    """Calls `what` until it gives something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain")


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Dev:
    """`pando dev` in the folder of an app."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = self.dir.parent / (self.dir.name + ".log")
        self.process = None

    def start(self, wait=True, options=None, stderr=None, **settings):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PANDO", "MAKE", "LISTEN_", "NOTIFY_"))}
        self.log = open(self.log_file, "ab")
        self.process = subprocess.Popen([PANDO, "dev", *(["--port", str(self.port)] if options is None else options)], cwd=self.dir,
                                        env={**env, **settings}, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=stderr or self.log)
        if stderr:
            return self
        if wait:
            until(lambda: "serving at" in self.log_text() or self.process.poll() is not None)
            assert self.process.poll() is None, self.log_text()
        return self

    def log_text(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def program(self):
        """The pid of the app's process."""
        def look():
            if self.process.poll() is not None:
                raise AssertionError("pando dev has ended:\n" + self.log_text())
            names = {p: pathlib.Path(f"/proc/{p}/comm") for p in children(self.process.pid)}
            return [p for p, comm in names.items() if comm.exists() and comm.read_text().strip() not in ("make", "pando")]
        return until(look)[0]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)

    def get(self, path, **more):
        return httpx.get(self.url + path, timeout=PATIENCE, **more)

    def write(self, path, text):
        """As most editors do: a new file that takes the old one's name."""
        file = self.dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name("." + file.name + ".editor")
        new.write_text(text)
        new.rename(file)

    def edit(self, path, old, new):
        text = (self.dir / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def states(self):
        return States(self.url)


class States:
    """What the script in a page is told."""

    def __init__(self, url):
        self.seen, self.over = [], False
        self.thread = threading.Thread(target=self.listen, args=(url,), daemon=True)
        self.thread.start()
        until(lambda: self.seen)

    def listen(self, url):
        try:
            with httpx.stream("GET", url + "/_pando/dev/events", timeout=None) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        self.seen.append(json.loads(line[6:]))
                    if self.over:
                        return
        except httpx.TransportError:
            pass

    def wait(self, state, after=0):
        """The first event of this state from index `after` on."""
        return until(lambda: next((s for s in self.seen[after:] if s["state"] == state), None))


def new_app(folder, name="shop"):
    env = {k: v for k, v in os.environ.items() if not k.startswith("PANDO")}
    subprocess.run([PANDO, "new", name], cwd=folder, env=env, check=True, capture_output=True)
    app = pathlib.Path(folder) / name
    site = app / "modules/site/site.c"
    text = site.read_text()
    assert "static const struct pd_route ROUTES[] = {\n" in text
    site.write_text(text.replace("static const struct pd_route ROUTES[] = {\n", HANDLERS, 1))
    return app


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """An app that is built already; tests get copies of it, dates included, so that make sees nothing to do."""
    folder = tmp_path_factory.mktemp("template")
    app = new_app(folder)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PANDO", "MAKE"))}
    subprocess.run(["make", "-s", f"PANDO={PANDO}"], cwd=app, env=env, check=True)
    return app


@pytest.fixture
def shop(template, tmp_path):
    dev = Dev(shutil.copytree(template, tmp_path / "shop"))
    yield dev
    dev.stop()
    print(dev.log_text()[-6000:])


def line_of(dev, path, text):
    lines = (dev.dir / path).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


def script_tag(text):
    return re.search(r'<script src="/_pando/dev\.js"[^>]*></script></body>', text)
