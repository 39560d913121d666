"""A server that is started while its PostgreSQL is not there, does not let it in yet, or is not migrated yet.

It lives, answers what needs no database, says that it is not ready and why, and is ready as soon as the rest is there.
What the server itself refuses ends the start, in whatever order the two were started.
"""
import re
import signal
import socket
import threading
import time
import uuid

import httpx
import pytest
from cluster import Cluster
from conftest import API, ENGINE, Person, one_clear_line
from test_database_restart import Database
from test_migrations import PRODUCTION

import postgres
from clients import free_port

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="a file is there or it is not")
NOT_YET = "database: not ready yet"


@pytest.fixture(scope="module")
def cluster():
    """It wants passwords, at its port."""
    c = Database(free_port())
    c.socket = f"postgres:///postgres?host={c.dir}&user=pando&port={c.port[0]}"
    rules = c.dir / "data/pg_hba.conf"
    rules.write_text(re.sub(r"^(host .*)trust$", r"\1scram-sha-256", rules.read_text(), flags=re.M))
    postgres.psql(c.socket, "-c", "alter role pando password 'right'")
    postgres.psql(c.socket, "-c", "select pg_reload_conf()")
    yield c
    c.remove()


@pytest.fixture
def database(cluster):
    """The same with an empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.psql(cluster.socket, "-c", f"create database {name}")
    cluster.url = url(cluster, name=name)
    yield cluster
    if not (cluster.dir / "data/postmaster.pid").exists():
        cluster.start()


def url(cluster, name="postgres", user="pando:right", query="sslmode=disable"):
    return f"postgres://{user}@127.0.0.1:{cluster.port[0]}/{name}?{query}"


class Deaf:
    """Takes a port, and closes each connection; knows how many there were."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port))
        self.tries = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.tries += 1

    def end(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


def until(what, server, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, server.log_text()
        assert server.process.poll() is None, server.log_text()
        time.sleep(0.02)


def start_without(server, **settings):
    """Starts it, and waits until it answers."""
    server.settings.update(settings)
    server.start(wait=False)

    def lives():
        try:
            return httpx.get(server.url + "/livez", timeout=10).status_code == 200
        except httpx.TransportError:
            return False
    until(lives, server)


def unready(server, why):
    answer = httpx.get(server.url + "/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert why in answer.text


def refused(server, timeout=5):
    answer = httpx.post(f"{server.url}{API}/login", json={"email": "a@example.com", "password": "p" * 12}, timeout=timeout)
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"


def test_it_starts_without_its_database_and_is_ready_when_that_is_there(own_server, database):
    database.end(signal.SIGINT)
    deaf = Deaf(*database.port)
    try:
        own_server.database = database.url
        start_without(own_server)
        unready(own_server, "the database does not answer")
        refused(own_server)
        assert httpx.get(own_server.url + "/").status_code == 200  # needs none
        assert httpx.get(own_server.url + "/metrics").status_code == 200
        until(lambda: deaf.tries > 3, own_server)
    finally:
        deaf.end()
    assert own_server.log_text().count(NOT_YET) == 1, own_server.log_text()
    process = own_server.process.pid
    database.start()
    own_server.wait_ready()
    ada = Person(own_server)
    ada.deposit(ada.account(), 100)
    assert own_server.process.pid == process
    assert own_server.log_text().count(NOT_YET) == 1
    assert own_server.log_text().count("database: ready") == 1
    assert own_server.stop() == 0


def test_all_threads_are_warm_when_it_has_come(own_server, database):
    own_server.database, name = database.url, database.url.rpartition("/")[2].partition("?")[0]
    database.end(signal.SIGINT)
    start_without(own_server, THREADS=3, DATABASE_CONNECTIONS=3)  # one each
    database.start()
    until(lambda: "database: ready" in own_server.log_text(), own_server)
    # Nobody asks it for anything meanwhile: that would open a connection as well.
    connected = f"select count(*) from pg_stat_activity where datname = '{name}'"
    until(lambda: postgres.rows(database.socket, connected)[0][0] >= 3, own_server)
    assert own_server.stop() == 0


@pytest.fixture
def replicated():
    c = Cluster(replicas=1)
    yield c
    c.remove()


NO_PRIMARY = "no server takes writes: until one does"


def test_with_replicas_alone_it_starts_to_read(own_server, replicated):
    own_server.database = replicated.url
    own_server.start()
    ada = Person(own_server)
    account = ada.account()
    ada.deposit(account, 100)
    assert own_server.stop() == 0
    assert NO_PRIMARY not in own_server.log_text()
    replicated("down", 0)  # the replica has all of it
    start_without(own_server)
    own_server.wait_ready()
    assert own_server.log_text().count(NO_PRIMARY) == 1
    assert httpx.get(own_server.url + "/livez").status_code == 200
    assert ada.balance(account) == 100
    refused(own_server, timeout=30)
    replicated.promote(1)
    until(lambda: ada.post(f"/accounts/{account['id']}/deposits", amount=1, memo="pay").status_code == 201, own_server)
    assert ada.balance(account) == 101
    assert own_server.stop() == 0


def test_replicas_without_its_schema_are_no_start(own_server, replicated):
    own_server.database = replicated.url
    replicated("down", 0)
    start_without(own_server)
    until(lambda: "replicas lack a migration" in own_server.log_text(), own_server)
    unready(own_server, "no database server takes writes")
    refused(own_server)
    replicated("up", 0)
    own_server.wait_ready()
    ada = Person(own_server)
    ada.deposit(ada.account(), 100)
    assert NO_PRIMARY not in own_server.log_text()
    assert own_server.stop() == 0


def keepalives(port):
    """Of connections to that port: in how many hundredths of a second the kernel will probe each."""
    lines = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    timers = [w[5] for w in lines if int(w[2].partition(":")[2], 16) == port and w[3] == "01"]
    return [int(t.partition(":")[2], 16) for t in timers if t.startswith("02:")]


def test_a_silent_way_is_probed_soon(own_server, database):
    own_server.database = database.url
    own_server.start()
    assert Person(own_server).get("/me").status_code == 200
    probes = keepalives(*database.port)
    assert probes and all(p <= 500 for p in probes)
    assert own_server.stop() == 0


@pytest.mark.parametrize("connections, threads, warns", [(1, 1, True), (3, 2, True), (2, 1, False), (4, 2, False)])
def test_one_connection_for_a_thread_is_warned_of(own_server, database, connections, threads, warns):
    own_server.database = database.url
    own_server.settings.update(DATABASE_CONNECTIONS=connections, THREADS=threads)
    own_server.start()
    assert own_server.stop() == 0
    lines = [line for line in own_server.log_text().splitlines() if "one connection per thread" in line]
    assert len(lines) == warns
    assert all(f"better={2 * threads}" in line for line in lines)


def test_less_than_one_is_refused(own_server, database):
    own_server.database = database.url
    own_server.settings.update(DATABASE_CONNECTIONS=3, THREADS=4)
    done = own_server.command("serve")
    one_clear_line(done, "DATABASE_CONNECTIONS=3", "8 or more", "THREADS to 3")
    assert done.returncode == 78
    assert own_server.command("migrate").returncode == 0  # has one thread


def test_it_ends_when_it_is_told_to_though_it_waits(own_server, database):
    database.end(signal.SIGINT)
    own_server.database = database.url
    start_without(own_server, THREADS=2)
    assert own_server.stop() == 0
    assert "PD-RUN" not in own_server.log_text().splitlines()[-1]


def test_commands_do_not_wait(own_server, database):
    database.end(signal.SIGINT)
    own_server.database = database.url
    done = own_server.command("migrate")
    one_clear_line(done, "cannot connect to the database", "is it running")
    assert done.returncode == 69


def test_it_is_ready_when_the_migrations_have_come_too(own_server, database):
    database.end(signal.SIGINT)
    own_server.database = database.url
    start_without(own_server, **PRODUCTION, MIGRATION_WAIT_SECONDS=60)
    unready(own_server, "the database does not answer")
    database.start()
    until(lambda: "waiting for a migration" in own_server.log_text(), own_server)
    unready(own_server, "waits for a migration")
    refused(own_server)
    assert own_server.command("migrate").returncode == 0
    own_server.wait_ready()
    assert own_server.stop() == 0


def test_a_schema_that_is_not_there_ends_it_as_it_would_have_at_once(own_server, database):
    own_server.settings.update(PRODUCTION)
    own_server.database = database.url
    at_once = own_server.command("serve")
    one_clear_line(at_once, "has not been applied", "run: finflow migrate")
    database.end(signal.SIGINT)
    start_without(own_server)
    database.start()
    assert own_server.process.wait(30) == at_once.returncode == 78
    assert own_server.log_text().splitlines()[-1] == at_once.stderr.splitlines()[-1]


@pytest.mark.parametrize("part, code, says", [
    ({"user": "pando:wrong"}, 77, "password authentication failed"),
    ({"user": "pando"}, 77, "no password supplied"),
    ({"user": "nobody:right"}, 77, "nobody"),
    ({"name": "nothing"}, 78, 'database "nothing" does not exist'),
    ({"query": "sslmode=perhaps"}, 78, "perhaps"),
    ({"query": "options=-cno_such%3Dthing"}, 78, "no_such"),
])
def test_what_the_server_refuses_ends_the_start_in_one_line(own_server, database, part, code, says):
    own_server.database = url(database, **part)
    at_once = own_server.command("serve", timeout=30)
    one_clear_line(at_once, "cannot connect to the database", says, "DATABASE_URL")
    assert at_once.returncode == code
    if "perhaps" in own_server.database:
        return  # nobody has to be asked
    database.end(signal.SIGINT)
    start_without(own_server)
    database.start()
    assert own_server.process.wait(30) == code
    assert says in own_server.log_text().splitlines()[-1]
