"""The network between FinFlow and PostgreSQL fails in every way that is known, under load, and comes back.

Each request ends, none outlives its deadline by much, and what it says is true: a transfer that was acknowledged is
there, one that was refused is not, and one of which it is not known is made by a repeat, once. Then the pool heals by
itself. What was longest is printed beside the deadline; a request that does not end at all is what fails the test.
PANDO_CUTS (default 60) is how many bytes are cut at; the seed is printed.
"""
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time
import uuid

import httpx
import postgres
import pytest
from cluster import Cluster
from conftest import API, ENGINE, ROOT, Person, Server, free_port
from ledger_oracle import broken_rules
from proxy import Cut, Delay, Fault, HalfOpen, Proxy, Refused, Reset, Silent, Slow, ends_tls

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="breaks the way to a PostgreSQL")
CUTS = int(os.environ.get("PANDO_CUTS", 60))
CLIENTS = 12
DEADLINE = 2  # seconds of a request
NO_END = 20  # nothing takes that long: it does not end
HEALED = 20  # by then each client has been served again


class Client(threading.Thread):
    """Asks on, in turn for an account and for a transfer, and writes down what it was told."""

    def __init__(self, server, person, accounts, seed, over):
        super().__init__()
        self.server, self.accounts, self.over, self.random = server, accounts, over, random.Random(seed)
        self.http = httpx.Client(base_url=server.url, cookies=dict(person.http.cookies.items()), timeout=NO_END)
        self.ok, self.unknown, self.not_made, self.strange = {}, {}, set(), []
        self.served, self.refused, self.longest = 0, 0, 0.0

    def ask(self, method, path, **body):
        began = time.monotonic()
        try:
            answer = self.http.request(method, API + path, json=body or None)
        except httpx.TransportError as e:
            self.strange.append(f"{method} {path}: {e!r} after {time.monotonic() - began:.1f} s")
            return None
        self.longest = max(self.longest, time.monotonic() - began)
        if answer.status_code == 503:
            self.refused += 1
            if "retry-after" not in answer.headers:
                self.strange.append(f"{method} {path}: 503 without Retry-After")
        return answer

    def read(self):
        account = self.random.choice(self.accounts)
        answer = self.ask("GET", f"/accounts/{account['id']}")
        if answer is not None and answer.status_code == 200:
            self.served += 1
        elif answer is not None and answer.status_code != 503:
            self.strange.append(f"read: {answer.status_code} {answer.text}")

    def move(self):
        source, target = self.random.sample(self.accounts, 2)
        body = {"id": str(uuid.UUID(int=self.random.getrandbits(128), version=4)), "from": source["id"], "to": target["id"],
                "amount": self.random.randint(1, 400), "currency": "EUR", "memo": "m"}
        answer = self.ask("POST", "/transfers", **body)
        if answer is None:
            self.unknown[body["id"]] = body
        elif answer.status_code == 201:
            self.ok[body["id"]] = body
            self.served += 1
        elif answer.status_code == 503 and answer.json()["code"] == "outcome_unknown":
            self.unknown[body["id"]] = body
        elif answer.status_code in (422, 503):
            self.not_made.add(body["id"])
        else:
            self.strange.append(f"transfer: {answer.status_code} {answer.text}")

    def run(self):
        while not self.over.is_set():
            self.read()
            self.move()


class Traffic:
    """Clients on FinFlow servers that share a database, and the book they must have kept."""

    def __init__(self, server, seed):
        self.server, self.over = server, threading.Event()
        self.person = Person(server)
        self.accounts = [self.person.account(f"A{i}") for i in range(8)]
        for account in self.accounts:
            self.person.deposit(account, 2000)
        self.clients = [Client(server, self.person, self.accounts, seed + i, self.over) for i in range(CLIENTS)]

    def __enter__(self):
        for c in self.clients:
            c.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for c in self.clients:
            c.join()

    def await_served(self, what):
        """Until each client has been served once more; how long that took, in seconds."""
        began, before = time.monotonic(), [c.served for c in self.clients]
        while any(c.served == b for c, b in zip(self.clients, before)):
            assert time.monotonic() < began + HEALED, f"the pool does not heal after {what}:\n{self.server.log_text()[-3000:]}"
            time.sleep(0.02)
        return time.monotonic() - began

    def total(self, name):
        return sum(len(getattr(c, name)) for c in self.clients)

    def say(self):
        print(f"acknowledged {self.total('ok')}, not made {self.total('not_made')}, unknown {self.total('unknown')}, refused "
              f"{sum(c.refused for c in self.clients)}; longest {max(c.longest for c in self.clients):.2f} s, deadline {DEADLINE} s")

    def repeated(self, body):
        """As Retry-After says: what the network has swallowed may still hold its locks."""
        deadline = time.monotonic() + HEALED
        while (answer := self.person.http.post(API + "/transfers", json=body)).status_code == 503:
            assert time.monotonic() < deadline, answer.text
            time.sleep(int(answer.headers["retry-after"]))
        return answer

    def check_books(self):
        assert [s for c in self.clients for s in c.strange] == []
        assert broken_rules(self.server) == []
        made = {row[0] for row in self.server.rows("select key from ledger_transfer")}
        acknowledged = {id for c in self.clients for id in c.ok}
        assert acknowledged - made == set(), "lost"
        assert {id for c in self.clients for id in c.not_made} & made == set(), "made though it was said that nothing was"
        for c in self.clients:
            for body in c.unknown.values():  # a repeat gives the same answer or makes it now, once
                assert self.repeated(body).status_code in (200, 201, 422)
        assert sum(self.person.balance(a) for a in self.accounts) == 2000 * len(self.accounts)
        assert broken_rules(self.server) == []


def seeded():
    seed = int(os.environ.get("PANDO_SEED", random.randrange(2**32)))
    print("seed", seed)
    return seed, random.Random(seed)


def end(server):
    assert server.stop() == 0, server.log_text()[-3000:]


def served(directory, through, straight, seconds=DEADLINE):
    """A FinFlow that reaches its database through a proxy; the test itself looks into it straight."""
    server = Server(directory, REQUEST_SECONDS=seconds)
    server.database = through
    try:
        server.start()
        server.database = straight
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def behind(tmp_path):
    """FinFlow, its proxy."""
    straight = postgres.new_database()
    folder = straight.split("host=")[1].split("&")[0]
    with Proxy(f"{folder}/.s.PGSQL.5432") as proxy:
        for server in served(tmp_path, proxy.url(straight.split("?")[0].rsplit("/", 1)[1]), straight):
            yield server, proxy


MODES = [Delay(0.3), Slow(2000), HalfOpen(), Silent(), Refused(), Reset()]


@pytest.mark.parametrize("fault", MODES, ids=lambda f: type(f).__name__.lower())
def test_what_fails_ends_in_time_and_heals(behind, fault):
    server, proxy = behind
    seed, _ = seeded()
    with Traffic(server, seed) as traffic:
        traffic.await_served("the start")
        for _ in range(2):
            with proxy.failing(fault):
                time.sleep(1.5 * DEADLINE)
            print(f"healed from {fault} in {traffic.await_served(fault):.2f} s")
            time.sleep(0.5)
    traffic.say()
    traffic.check_books()
    end(server)


def cut_at_any_byte(server, proxy, times):
    seed, rng = seeded()
    with Traffic(server, seed) as traffic:
        traffic.await_served("the start")
        for _ in range(times):
            cut = Cut(rng.choice(["up", "down"]), rng.randint(0, 4000), rng.choice([False, True]))
            with proxy.failing(cut):
                time.sleep(rng.uniform(0, 0.2))
            traffic.await_served(cut)
    traffic.say()
    traffic.check_books()
    end(server)


def test_connections_are_cut_at_any_byte(behind):
    cut_at_any_byte(*behind, CUTS)


def test_a_server_stops_whatever_the_network_does(behind):
    server, proxy = behind
    with Traffic(server, seeded()[0]) as traffic:
        traffic.await_served("the start")
        with proxy.failing(HalfOpen()):
            time.sleep(2 * DEADLINE)
            traffic.over.set()
            assert server.stop() == 0, server.log_text()[-3000:]


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_connections_with_tls_are_cut_at_any_byte(tls, tmp_path):
    name, straight = tls.new_database()
    with Proxy(tls.port) as proxy:
        for server in served(tmp_path, proxy.url(name, sslmode="require"), straight):
            is_tls = "select count(*) as n from pg_stat_ssl join pg_stat_activity using (pid) where ssl and datname = '%s'"
            assert server.rows(is_tls % name)[0][0] > 0
            cut_at_any_byte(server, proxy, CUTS // 2)


def test_records_of_any_size_are_read(tls, tmp_path):
    """TLS ends at the proxy, which fills its records: libpq takes half of one, and nothing of the rest shows outside."""
    name, straight = tls.new_database()
    with Proxy(tls.port, tls=ends_tls(tls.certificate, tls.key)) as proxy:
        for server in served(tmp_path, proxy.url(name, sslmode="verify-ca", sslrootcert=tls.certificate), straight, seconds=60):
            ada = Person(server)
            account = ada.account()
            for i in range(250):
                ada.deposit(account, 100 + i, memo="a memo that makes it long " * 4)
            for limit in range(1, 201):
                answer = ada.get("/transactions", limit=limit)
                assert answer.status_code == 200 and len(answer.json()["items"]) == limit, (limit, answer.text[:300])
            end(server)
