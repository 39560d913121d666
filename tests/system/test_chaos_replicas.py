"""One of several PostgreSQL servers goes silent: its connections stay open, and nothing comes back.

Only questions to the servers can tell; what they find decides where everybody reads and writes.
"""
import contextlib
import time

import pytest
from cluster import Cluster
from conftest import ENGINE
from proxy import HalfOpen, Proxy
from test_chaos import DEADLINE, Traffic, end, seeded, served

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="needs PostgreSQL")


def folder(cluster, node):
    return cluster("url", node).split("host=")[1].split("&")[0]


@pytest.fixture
def cluster():
    c = Cluster(replicas=2)
    yield c
    c.remove()


@pytest.fixture
def behind(cluster, tmp_path):
    """FinFlow, a proxy for each server."""
    with contextlib.ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(f"{folder(cluster, node)}/.s.PGSQL.5432")) for node in cluster.nodes]
        hosts = ",".join(f"127.0.0.1:{p.port}" for p in proxies)
        through = f"postgres://pando@{hosts}/postgres?sslmode=disable"
        for server in served(tmp_path, through, cluster("url", cluster.primary).strip(), seconds=8):
            yield server, proxies


def refused(traffic):
    return sum(c.refused for c in traffic.clients)


def test_a_silent_replica_costs_nobody_an_answer(cluster, behind):
    server, proxies = behind
    with Traffic(server, seeded()[0]) as traffic:
        traffic.await_served("the start")
        for node in cluster.replicas():
            before = refused(traffic)
            with proxies[node].failing(HalfOpen()):
                time.sleep(3 * DEADLINE)
            traffic.await_served("a silent replica")
            assert refused(traffic) == before  # what was on its way there was read elsewhere
    traffic.say()
    traffic.check_books()
    end(server)


def test_a_silent_primary_leaves_reads_and_heals(cluster, behind):
    server, proxies = behind
    with Traffic(server, seeded()[0]) as traffic:
        traffic.await_served("the start")
        with proxies[cluster.primary].failing(HalfOpen()):
            time.sleep(2 * DEADLINE)
            before = sum(c.served for c in traffic.clients)
            time.sleep(2 * DEADLINE)
            assert sum(c.served for c in traffic.clients) > before  # they read
        made = traffic.total("ok")
        traffic.await_served("a silent primary")
        deadline = time.monotonic() + 30
        while traffic.total("ok") == made:
            assert time.monotonic() < deadline, server.log_text()[-3000:]
            time.sleep(0.1)
    traffic.say()
    traffic.check_books()
    end(server)
