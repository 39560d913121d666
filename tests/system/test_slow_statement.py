"""A statement that takes long delays no other kind of statement, however few connections there are.

Transfers wait for a row that another program has locked; meanwhile everybody reads. What is asserted is the order in
which things end, not how long they take.
"""
import concurrent.futures
import subprocess

import pytest
from conftest import ENGINE, Person, Server

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="SQLite has one writer and no row locks")


class Lock:
    """Holds the row of an account from another program."""

    def __init__(self, url, account):
        self.psql = subprocess.Popen(["psql", "-Xtqw", "-d", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write(f"begin; select 'locked' from ledger_account where id = {account['id']} for update;\n")
        self.psql.stdin.flush()
        while "locked" not in (line := self.psql.stdout.readline()):
            assert line, "psql has ended"

    def release(self):
        self.psql.communicate("commit;\n", timeout=30)


@pytest.mark.parametrize("connections", [2, 3, 8])
@pytest.mark.parametrize("stuck", [1, 12])
def test_reads_go_on_while_transfers_wait_for_a_lock(tmp_path, connections, stuck):
    server = Server(tmp_path, DATABASE_CONNECTIONS=connections, REQUEST_SECONDS=60).start()
    try:
        ada = Person(server)
        accounts = [ada.account(f"A{i}") for i in range(3)]
        for account in accounts:
            ada.deposit(account, 10_000)
        people = [Person.__new__(Person) for _ in range(stuck)]
        for p in people:
            p.http = server.client()
            p.http.cookies = ada.http.cookies
        lock = Lock(server.database, accounts[0])
        with concurrent.futures.ThreadPoolExecutor(stuck) as pool:
            waiting = [pool.submit(p.transfer, accounts[0], accounts[1], 1) for p in people]
            blocked = "select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            while server.rows(blocked)[0][0] < min(stuck, connections - 1):
                pass
            for _ in range(50):
                assert ada.balance(accounts[2]) == 10_000
                assert ada.get("/transactions").status_code == 200
            assert not any(w.done() for w in waiting)
            lock.release()
            assert [w.result(60).status_code for w in waiting] == [201] * stuck
        assert ada.balance(accounts[0]) == 10_000 - stuck
        assert server.stop() == 0, server.log_text()
    finally:
        if server.process.poll() is None:
            server.kill()
