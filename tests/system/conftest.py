"""Black-box tests: they know FinFlow only through its program, its sockets and its files.

PANDO_BUILD names the build directory (default: build). Every server gets a directory of its own and a free
port of the loopback; its log is shown when a test fails.
"""
import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time
import uuid

import httpx
import pytest

THREADS = os.environ.get("TEST_THREADS")  # of each server, where the test does not say
INHERITED = ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "TMPDIR")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import postgres  # noqa: E402
from clients import free_port  # noqa: E402

ENGINE = os.environ.get("TEST_ENGINE", "sqlite")  # "postgres": each server has a database of its own there
on_sqlite = pytest.mark.skipif(ENGINE != "sqlite", reason="looks into the file of SQLite")
BUILD = pathlib.Path(os.environ.get("PANDO_BUILD", ROOT / "build"))
FINFLOW = pathlib.Path(os.environ.get("FINFLOW", BUILD / "finflow" / "finflow"))
API = "/api/v1"
PASSWORD = "correct horse battery"
LAST_LINES = 20  # of a server's log that a failed test shows


def sanitizer():
    """What the programs of this build are instrumented with, as meson names it: "none", "address,undefined"."""
    options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return next(o["value"] for o in options if o["name"] == "b_sanitize")


def complaints(result):
    """The lines that a command wrote to stderr; but a hard build begins with a line of its own, and a slow machine may
    have the watchdog speak, and statements be slow."""
    return [line for line in result.stderr.splitlines()
            if line.strip() and not line.startswith("pando: hard build") and " WARN  run/watchdog: " not in line
            and " WARN  data/slow: " not in line]


def one_clear_line(result, *words):
    """A command that was refused said why in one line."""
    assert result.returncode != 0
    lines = complaints(result)
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]
    assert "Sanitizer" not in result.stderr


class Server:
    """One FinFlow process in a directory of its own; can be killed and started again."""

    program = FINFLOW

    def __init__(self, directory, **settings):
        self.dir = pathlib.Path(directory)
        self.port = free_port()
        self.settings = settings
        self.process = None
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = postgres.new_database() if ENGINE == "postgres" else f"sqlite:{self.dir}/finflow.db"

    def env(self, database=None):
        clean = {k: v for k, v in os.environ.items() if k in INHERITED}
        return {
            **clean,
            **({"THREADS": THREADS} if THREADS else {}),
            "PANDO_ENV": "test",
            "PORT": str(self.port),
            "DATABASE_URL": database or self.database,
            **{k: str(v) for k, v in self.settings.items()},
        }

    def behind_pooler(self):
        """The database's URL through the pooler, if there is one; it is migrated first, as only the server itself can be."""
        if ENGINE != "postgres" or not postgres.POOLER:
            return None
        assert self.command("migrate").returncode == 0
        return postgres.url(self.database.split("///")[1].partition("?")[0], postgres.POOLER)

    def start(self, wait=True):
        self.log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            [self.program, "serve"], cwd=self.dir, env=self.env(self.behind_pooler()), stdout=self.log, stderr=self.log
        )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"finflow ended with {self.process.returncode}:\n{self.log_text()}")
            try:
                if httpx.get(self.url + "/readyz", timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise RuntimeError("finflow is not ready:\n" + self.log_text())

    def figure(self, name):
        """The value of a line of /metrics, labels included in the name."""
        for line in self.client().get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        raise AssertionError(f"no {name}")

    def log_text(self):
        return (self.dir / "log").read_text(errors="replace")

    def last_words(self):
        """What its log says of errors, and its end: enough to know why a test failed, in few lines."""
        lines = self.log_text().splitlines()
        errors = [line for line in lines[:-LAST_LINES] if " ERROR " in line or " WARN " in line]
        return "\n".join(errors[-LAST_LINES:] + ["…"] + lines[-LAST_LINES:])

    def command(self, *args, input=None, timeout=120):
        return subprocess.run(
            [self.program, *map(str, args)], cwd=self.dir, env=self.env(), text=True, input=input,
            capture_output=True, timeout=timeout,
        )

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=20):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(seconds)
        return self.process.returncode

    def rows(self, sql):
        """What a query gives, straight from the database: a list of tuples of text and numbers."""
        if self.database.startswith("postgres"):
            return postgres.rows(self.database, sql)
        with contextlib.closing(sqlite3.connect(f"file:{self.database.removeprefix('sqlite:')}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    def alter(self, sql):
        """Changes the database behind the program's back."""
        if self.database.startswith("postgres"):
            postgres.rows(self.database, sql)
        else:
            with contextlib.closing(sqlite3.connect(self.database.removeprefix("sqlite:"))) as db:
                db.executescript(sql)

    def client(self):
        return httpx.Client(base_url=self.url, timeout=30)


class Person:
    """Somebody signed up, with a client that carries the cookie."""

    def __init__(self, server, name="Ada"):
        self.http = server.client()
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        answer = self.post("/signup", email=self.email, password=PASSWORD, name=name)
        assert answer.status_code == 201, answer.text
        self.user, self.org = answer.json()["user"], answer.json()["org"]

    def get(self, path, **params):
        return self.http.get(API + path, params=params)

    def post(self, path, **body):
        return self.http.post(API + path, json=body)

    def patch(self, path, **body):
        return self.http.patch(API + path, json=body)

    def account(self, name="Current", currency="EUR", kind="checking"):
        answer = self.post("/accounts", name=name, currency=currency, kind=kind)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def deposit(self, account, amount, memo="pay"):
        answer = self.post(f"/accounts/{account['id']}/deposits", amount=amount, memo=memo)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def transfer(self, source, target, amount, id=None, currency="EUR", memo="rent"):
        return self.post(
            "/transfers", id=id or str(uuid.uuid4()), to=target["id"], amount=amount, currency=currency,
            memo=memo, **{"from": source["id"]},
        )

    def balance(self, account):
        return self.get(f"/accounts/{account['id']}").json()["balance"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        for name, value in item.funcargs.items():
            if isinstance(value, Server) and value.process:
                report.sections.append((f"log of {name}", value.last_words()))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("finflow")).start()
    yield s
    assert s.stop() == 0, s.log_text()


@pytest.fixture
def own_server(tmp_path):
    """A server that the test may kill, restart and fill."""
    s = Server(tmp_path)
    yield s
    if s.process and s.process.poll() is None:
        s.kill()


@pytest.fixture(scope="module")
def tls():
    t = postgres.TlsServer(ROOT / "scripts/postgres")
    yield t
    t.remove()


@pytest.fixture
def ada(server):
    return Person(server)


@pytest.fixture
def bob(server):
    return Person(server, "Bob")


def problem(answer, status, code=None):
    """Checks that an answer is a problem of RFC 9457 and returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status and body["title"] and body["type"]
    assert isinstance(body["detail"], str)
    if code:
        assert body["code"] == code
    for word in ("sqlite", "SELECT", "select ", ".c:"):
        assert word not in answer.text
    return body


def wrong_fields(answer):
    return {e["field"] for e in problem(answer, 422)["errors"]}
