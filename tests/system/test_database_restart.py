"""PostgreSQL is restarted again and again while two servers move money on it.

No acknowledged transfer is lost and none is made twice; reads are answered again, and each server connects again by
itself. The sizes are those of test_kill. The PostgreSQL is one of this test's own.
"""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest
from conftest import API, ENGINE, PASSWORD, ROOT, Person, Server
from ledger_oracle import broken_rules
from test_kill import Mover

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="restarts a PostgreSQL")
SECONDS = float(os.environ.get("PANDO_KILL_SECONDS", 10))
EVERY = float(os.environ.get("PANDO_KILL_EVERY", 2))
CLIENTS = int(os.environ.get("PANDO_KILL_CLIENTS", 32))
HOW = [signal.SIGQUIT, signal.SIGINT]  # at once, as a crash; or orderly, with a last word to each connection


class Database:
    """A PostgreSQL in a folder of its own; with a port of 127.0.0.1, if it is given one."""

    def __init__(self, *port):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pando-restart-", dir="/tmp"))
        self.port = port
        self.start()

    def start(self):
        done = subprocess.run([ROOT / "scripts/postgres", "start", self.dir, *map(str, self.port)],
                              capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        self.url = done.stdout.strip()

    def end(self, how):
        pid = int((self.dir / "data/postmaster.pid").read_text().split()[0])
        os.kill(pid, how)
        deadline = time.monotonic() + 30
        while (self.dir / "data/postmaster.pid").exists():
            assert time.monotonic() < deadline, "PostgreSQL does not end"
            time.sleep(0.02)

    def remove(self):
        subprocess.run([ROOT / "scripts/postgres", "stop", self.dir], timeout=60)
        shutil.rmtree(self.dir, ignore_errors=True)


class Reader(threading.Thread):
    """Reads on; writes down each answer that is neither the account nor a refusal for now."""

    def __init__(self, person, account, stop):
        super().__init__()
        self.person, self.account, self.stop, self.good, self.strange = person, account, stop, 0, []

    def run(self):
        while not self.stop.is_set():
            answer = self.person.get(f"/accounts/{self.account['id']}")
            if answer.status_code == 200:
                self.good += 1
            elif answer.status_code != 503:
                self.strange.append((answer.status_code, answer.text))


class SignedIn(Person):
    """Somebody who has an account already, at another server."""

    def __init__(self, server, person):
        self.http = server.client()
        answer = self.post("/login", email=person.email, password=PASSWORD)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def database():
    d = Database()
    yield d
    d.remove()


def servers_on(database, tmp_path):
    servers = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        servers.append(Server(tmp_path / name))
        servers[-1].database = database.url
        servers[-1].start()
    yield servers
    for s in servers:
        if s.process and s.process.poll() is None:
            s.kill()


@pytest.fixture
def two_servers(database, tmp_path):
    yield from servers_on(database, tmp_path)


def restarts(database):
    n, until = 0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(EVERY / 2)
        database.end(HOW[n % len(HOW)])
        database.start()
        n += 1
        time.sleep(EVERY / 2)
    return n


def look_up(person, ok, refused):
    for id, body in ok.items():
        answer = person.get(f"/transfers/{id}")
        assert answer.status_code == 200, (id, answer.text)
        assert all(answer.json()[k] == body[k] for k in ("from", "to", "amount", "currency"))
    for id in list(refused)[:500]:
        assert person.get(f"/transfers/{id}").status_code == 404


def test_acknowledged_transfers_survive_restarts_of_the_database(database, two_servers):
    seed = int(os.environ.get("PANDO_SEED", random.randrange(2**32)))
    print("seed", seed)
    people = [Person(two_servers[0])]
    people.append(SignedIn(two_servers[1], people[0]))
    accounts = [people[0].account(f"A{i}") for i in range(8)]
    for account in accounts:
        people[0].deposit(account, 2000)
    stop = threading.Event()
    movers = [Mover(two_servers[i % 2], dict(people[i % 2].http.cookies.items()), accounts, seed + i, stop)
              for i in range(CLIENTS)]
    readers = [Reader(p, accounts[0], stop) for p in people]
    for t in movers + readers:
        t.start()
    n = restarts(database)
    for s in two_servers:
        s.wait_ready()
    before = [r.good for r in readers]
    deadline = time.monotonic() + 30
    while any(r.good == b for r, b in zip(readers, before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    recovered = [r.good > b for r, b in zip(readers, before)]
    stop.set()
    for t in movers + readers:
        t.join()
    ok = {k: v for m in movers for k, v in m.ok.items()}
    refused = set().union(*(m.refused for m in movers))
    unknown = {k: v for m in movers for k, v in m.unknown.items()}
    print(f"restarts {n}, acknowledged {len(ok)}, refused {len(refused)}, unknown {len(unknown)}")
    assert [s for t in movers + readers for s in t.strange] == []
    assert recovered == [True, True]
    assert len(ok) > 50 and n >= 1
    assert broken_rules(two_servers[0]) == []

    look_up(people[1], ok, refused)
    for id, body in unknown.items():  # a repeat gives the same answer or makes it now, once
        assert people[0].http.post(API + "/transfers", json=body).status_code in (200, 201, 422)
    assert sum(people[1].balance(a) for a in accounts) == 16_000
    assert [s.stop() for s in two_servers] == [0, 0]
    assert broken_rules(two_servers[0]) == []
