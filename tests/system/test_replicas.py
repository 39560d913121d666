"""Reads on replicas: everybody sees what they have written, and nothing is decided by a replica.

The pairs (a write, then reads of it by requests that know nothing but the floor) are run by a program of the unit tests,
data_pairs, while the replicas are paused, delayed, killed and promoted. PANDO_PAIRS (default 20000) is how many.
"""
import json
import os
import random
import subprocess
import threading
import time

import pytest
from cluster import Cluster
from conftest import API, BUILD, ENGINE, Person, Server
from test_database_restart import SignedIn

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="needs PostgreSQL")
PAIRS = int(os.environ.get("PANDO_PAIRS", 20_000))
CLIENTS = 64


@pytest.fixture(scope="module")
def cluster():
    c = Cluster(replicas=2)
    yield c
    c.remove()


@pytest.fixture(scope="module")
def server(cluster, tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("replicas"))
    s.database = cluster.url
    s.start()
    yield s
    assert s.stop() == 0, s.log_text()


def replica_reads(server):
    return server.figure('db_reads_by_role_total{role="replica"}')


def lsn(cluster, node, function):
    return cluster.rows(node, f"select {function}() - '0/0' as n")[0][0]


def wait_caught_up(cluster):
    """Until the replicas show what the primary has now, and the server has had the time to see that."""
    at = lsn(cluster, cluster.primary, "pg_current_wal_insert_lsn")
    for node in cluster.replicas():
        while lsn(cluster, node, "pg_last_wal_replay_lsn") < at:
            time.sleep(0.02)
    time.sleep(0.3)


@pytest.fixture
def paused(cluster):
    """Replicas that show what was there when the test says so."""
    def pause():
        wait_caught_up(cluster)
        for node in cluster.replicas():
            cluster("pause", node)
    yield pause
    for node in cluster.replicas():
        cluster("resume", node)
    wait_caught_up(cluster)


def test_a_get_reads_on_a_replica(cluster, server):
    ada = Person(server)
    account = ada.account()
    other = SignedIn(server, ada)
    del other.http.cookies["finflow_floor"]
    wait_caught_up(cluster)
    before = replica_reads(server)
    assert other.balance(account) == 0
    assert replica_reads(server) >= before + 2  # who asks, and the account
    assert server.figure('db_statement_total{statement="ledger.account_in_org",server="replica"}') >= 1
    assert "floor" not in other.get(f"/accounts/{account['id']}").headers.get("set-cookie", "")


def test_one_sees_what_one_has_written_though_no_replica_does(server, paused):
    ada = Person(server)
    account = ada.account()
    paused()
    for i in range(20):
        answer = ada.post(f"/accounts/{account['id']}/deposits", amount=100, memo="pay")
        assert answer.status_code == 201 and "finflow_floor=" in answer.headers["set-cookie"]
        assert ada.balance(account) == 100 * (i + 1)


def test_a_repeat_that_changes_nothing_makes_visible_what_it_found(server, paused):
    ada = Person(server)
    source, target = ada.account("A"), ada.account("B")
    ada.deposit(source, 1000)
    paused()
    first = ada.transfer(source, target, 400)
    other = SignedIn(server, ada)  # has never heard of it
    other.http.cookies.delete("finflow_floor")
    key = first.json()["id"]
    assert other.transfer(source, target, 400, id=key).status_code == 200
    assert other.balance(target) == 400


def test_money_is_decided_by_the_primary(server, paused):
    """The replicas show 1000 in the account; 900 of it are gone, and one more account has come."""
    ada = Person(server)
    source, target = ada.account("A"), ada.account("B")
    ada.deposit(source, 1000)
    other = SignedIn(server, ada)
    paused()
    assert ada.transfer(source, target, 900).status_code == 201

    def forget():
        other.http.cookies.delete("finflow_floor")

    forget()
    assert other.balance(source) == 1000  # it does read on a replica
    before = replica_reads(server)
    assert other.transfer(source, target, 500).status_code == 422
    assert replica_reads(server) == before
    assert other.balance(source) == 100  # having been told so, one sees why
    forget()
    assert other.transfer(target, source, 900).status_code == 201
    assert other.balance(source) == 1000 and other.balance(target) == 0


def test_a_replica_that_lags_is_left_alone_until_it_has_caught_up(cluster, server):
    ada = Person(server)
    account = ada.account()
    late = cluster.replicas()[0]
    name = cluster("url", late).split("host=")[1].split("&")[0]
    cluster("pause", late)
    deadline = time.monotonic() + 40
    while server.figure(f'db_server_role{{server="{name}",role="unused"}}') == 0:
        assert time.monotonic() < deadline, "a replica that is behind for long is still in use"
        ada.deposit(account, 1)
        time.sleep(0.1)
    cluster("resume", late)
    while server.figure(f'db_server_role{{server="{name}",role="replica"}}') == 0:
        assert time.monotonic() < deadline, "it does not come back"
        time.sleep(0.1)


# --- pairs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs_cluster():
    c = Cluster(replicas=2, sync=True)
    c.rows(0, "create table t_pair (id bigint primary key, n bigint not null)")
    c.rows(0, f"insert into t_pair select i, 0 from generate_series(1, {CLIENTS}) i")
    yield c
    c.remove()


def run_pairs(cluster, n, reads, pause_ms):
    done = subprocess.run([BUILD / "tests/unit/data/data_pairs", cluster.url, str(n), str(CLIENTS), str(reads), str(pause_ms)],
                          capture_output=True, text=True, timeout=7200)
    print(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


class Disturber(threading.Thread):
    """Does to the servers what happens to them, one after the other, until told to stop."""

    def __init__(self, cluster, seed):
        super().__init__()
        self.cluster, self.random, self.over, self.did, self.failed = cluster, random.Random(seed), threading.Event(), [], None

    def pause(self):
        node = self.random.choice(self.cluster.replicas())
        self.cluster("pause", node)
        time.sleep(self.random.uniform(0.1, 1.5))
        self.cluster("resume", node)

    def delay(self):
        node = self.random.choice(self.cluster.replicas())
        self.cluster("delay", node, self.random.choice([20, 50, 200, 1000]))
        time.sleep(self.random.uniform(0.5, 2))
        self.cluster("delay", node, 0)

    def restart(self):
        node = self.random.choice(self.cluster.replicas())
        self.cluster(self.random.choice(["kill", "down"]), node)
        self.cluster("up", node)
        self.cluster.wait_streaming(2)

    def promote(self):
        c, old = self.cluster, self.cluster.primary
        c.wait_streaming(2)
        c("kill", old)
        new = c.most_advanced()
        c.promote(new, [n for n in c.replicas() if n != new])
        c("up", old)
        time.sleep(1)
        c("copy", old, new)
        c.wait_streaming(2)

    def run(self):
        actions = [self.promote, self.pause, self.delay, self.restart]
        try:
            while not self.over.is_set():
                action = actions.pop(0) if actions else self.random.choice([self.promote, self.pause, self.delay, self.restart])
                action()
                self.did.append(action.__name__)
        except Exception as e:
            self.failed = e

    def stop(self):
        self.over.set()
        self.join()
        if self.failed:
            raise self.failed


def test_pairs_against_replicas_that_are_disturbed(pairs_cluster):
    seed = int(os.environ.get("PANDO_SEED", random.randrange(2**32)))
    print("seed", seed)
    disturber = Disturber(pairs_cluster, seed)
    disturber.start()
    try:
        out = run_pairs(pairs_cluster, PAIRS, 1, 0) if PAIRS >= 500_000 else run_pairs(pairs_cluster, PAIRS, 3, 20)
    finally:
        disturber.stop()
    print({name: disturber.did.count(name) for name in set(disturber.did)})
    assert out["stale"] == out["doubled"] == 0
    assert out["replica_reads"] > 0
    assert out["refused_reads"] <= 0.001 * out["reads"]


def test_a_lag_of_50_ms_leaves_most_reads_to_the_replicas(pairs_cluster):
    for node in pairs_cluster.replicas():
        pairs_cluster("delay", node, 50)
    out = run_pairs(pairs_cluster, CLIENTS * 4, 50, 20)  # somebody who reads fifty times a second, and writes once
    assert out["replica_reads"] >= 0.9 * out["reads"]
    assert out["refused_reads"] == out["refused_writes"] == 0


# --- in conflict with the log -----------------------------------------------------------------------------------------


@pytest.fixture
def impatient(cluster):
    """Replicas that end a read at once if a change that comes is in its way; and a table that is slow to read there."""
    def change(node, *settings):
        for setting in settings:
            cluster.rows(node, f"alter system {setting}")
        cluster.rows(node, "select pg_reload_conf() as reloaded")

    slowed = []

    def slow(table):
        slowed.append(table)
        cluster.rows(cluster.primary, f"alter table {table} rename to {table}_there")
        cluster.rows(cluster.primary, f"""
            create view {table} as select t.* from {table}_there t,
            lateral (select case when pg_is_in_recovery() then pg_sleep(20) end where t.id is not null) s""")
        wait_caught_up(cluster)

    for node in cluster.replicas():
        change(node, "set max_standby_streaming_delay = 0", "set hot_standby_feedback = off")
    yield slow
    for table in slowed:
        cluster.rows(cluster.primary, f"drop view {table}")
        cluster.rows(cluster.primary, f"alter table {table}_there rename to {table}")
    for node in cluster.replicas():
        change(node, "reset max_standby_streaming_delay", "reset hot_standby_feedback")
    wait_caught_up(cluster)


def conflicts(cluster):
    sql = "select coalesce(sum(confl_snapshot), 0)::int as n from pg_stat_database_conflicts"
    return sum(cluster.rows(node, sql)[0][0] for node in cluster.replicas())


def sleeping(cluster):
    sql = "select count(*)::int as n from pg_stat_activity where wait_event = 'PgSleep'"
    return sum(cluster.rows(node, sql)[0][0] for node in cluster.replicas())


def disturb(cluster):
    """The primary takes away rows that a read on a replica, begun before, could still want to see."""
    cluster.rows(cluster.primary, "create table if not exists t_gone (n int)")
    cluster.rows(cluster.primary, "insert into t_gone select generate_series(1, 1000)")
    cluster.rows(cluster.primary, "delete from t_gone")
    cluster.rows(cluster.primary, "vacuum t_gone")


@pytest.mark.parametrize("table, path, counter", [
    ("insights_category", "/categories", "db_reads_moved_total"),  # a statement, which goes elsewhere
    ("insights_day", "/reports/monthly", "db_repeats_total"),      # a snapshot: the handler, on the primary
])
def test_a_read_in_conflict_with_the_log_succeeds_elsewhere(cluster, server, impatient, table, path, counter):
    ada = Person(server)
    ada.deposit(ada.account(), 100)
    assert ada.post("/categories", name="Food").status_code == 201
    params = {"month": time.strftime("%Y-%m", time.gmtime())} if "reports" in path else {}
    expected = ada.get(path, **params).json()
    other = SignedIn(server, ada)
    other.http.cookies.delete("finflow_floor")
    impatient(table)
    before, ended = server.figure(counter), conflicts(cluster)
    answers = []
    reader = threading.Thread(target=lambda: answers.append(other.get(path, **params)))
    reader.start()
    deadline = time.monotonic() + 15
    while not sleeping(cluster):
        assert time.monotonic() < deadline, "it does not read on a replica"
        time.sleep(0.05)
    while reader.is_alive():  # it may meet the next replica, too
        disturb(cluster)
        reader.join(0.3)
    assert answers[0].status_code == 200, answers[0].text
    got = answers[0].json()
    assert {**got, "as_of": 0} == {**expected, "as_of": 0}
    deadline = time.monotonic() + 15
    while conflicts(cluster) == ended:  # a server counts such things a moment later
        assert time.monotonic() < deadline, "no replica has counted a conflict"
        time.sleep(0.05)
    assert server.figure(counter) > before
