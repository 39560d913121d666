"""Transactions in each other's way: what the database undoes is run again, once is once, and reports agree with themselves."""
import subprocess
import threading
import time
from datetime import datetime, timezone

import pytest
from conftest import ENGINE, Person, Server
from ledger_oracle import broken_rules

postgres_only = pytest.mark.skipif(ENGINE != "postgres", reason="SQLite's writers take turns")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("conflicts")).start()
    yield s
    assert s.stop() == 0, s.log_text()


class Rival:
    """A transaction of another program, which waits for a deadlock longer than the server's: these are undone, not it."""

    def __init__(self, server):
        self.server = server
        self.psql = subprocess.Popen(["psql", "-Xtq", "-d", server.database], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.say("set deadlock_timeout = '20s'; begin read write; select 'begun';", "begun")

    def say(self, sql, until=None):
        self.psql.stdin.write(sql + "\n")
        self.psql.stdin.flush()
        while until and self.psql.stdout.readline().strip() != until:
            assert self.psql.poll() is None

    def lock(self, account, wait=True):
        self.say(f"select 'got' from ledger_account where id = {account['id']} for update;", "got" if wait else None)

    def end(self):
        self.psql.communicate("rollback;\n", timeout=30)
        assert self.psql.returncode == 0


def wait_blocked(server, n):
    """Until n statements of the server wait for a lock."""
    deadline = time.monotonic() + 20
    while server.rows("select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
                      )[0][0] < n:
        assert time.monotonic() < deadline, "nothing waits for a lock"
        time.sleep(0.02)


@postgres_only
def test_a_transfer_that_meets_a_deadlock_is_made_once(site):
    ada = Person(site)
    low, high = ada.account("Low"), ada.account("High")
    ada.deposit(low, 1000)
    before = {name: site.figure(name) for name in ("db_conflicts_total", "db_repeats_total")}
    answers = []
    rival = Rival(site)
    rival.lock(high)
    transfer = threading.Thread(target=lambda: answers.append(ada.transfer(low, high, 300)))
    transfer.start()  # has locked `low`, waits for `high`
    wait_blocked(site, 1)
    rival.lock(low)  # the circle: the server's statement finds it, and gives way
    rival.end()
    transfer.join()
    assert answers[0].status_code == 201, answers[0].text
    assert site.figure("db_conflicts_total") == before["db_conflicts_total"] + 1
    assert site.figure("db_repeats_total") == before["db_repeats_total"] + 1
    assert (ada.balance(low), ada.balance(high)) == (700, 300)
    assert broken_rules(site) == []


def test_a_report_agrees_with_itself_while_money_moves(site):
    ada = Person(site)
    account = ada.account()
    over = threading.Event()

    def pay():
        me = Person.__new__(Person)
        me.http = site.client()
        me.http.cookies = ada.http.cookies
        while not over.is_set():
            me.deposit(account, 1)

    writers = [threading.Thread(target=pay) for _ in range(3)]
    month = datetime.now(timezone.utc).strftime("%Y-%m")
    for w in writers:
        w.start()
    try:
        for _ in range(200):
            report = ada.get("/reports/monthly", month=month).json()
            assert sum(d["income"] for d in report["by_day"]) == sum(x["income"] for x in report["by_category"])
    finally:
        over.set()
        for w in writers:
            w.join()
    assert broken_rules(site) == []
