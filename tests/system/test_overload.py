"""Ten times as much as the database can do, from clients that do not wait for each other.

A trigger makes each transfer take the database a while, so that the peak is known by measuring it and the program is
not what is short. What is refused is refused at once; who was let in is served before its deadline; the work done stays
near the peak. PANDO_OVERLOAD_SECONDS (default 6) is how long; figures are printed.
"""
import asyncio
import collections
import json
import os
import statistics
import time
import uuid

import pytest
from conftest import API, ENGINE, Person
from ledger_oracle import broken_rules

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="slows PostgreSQL down")
SECONDS = float(os.environ.get("PANDO_OVERLOAD_SECONDS", 6))
TIMES = 10
SLOW = """
create function slowly() returns trigger language plpgsql as
  'begin perform pg_sleep(0.02); return new; end';
create trigger slowly before insert on ledger_transfer for each row execute function slowly();
"""


class Load:
    """Transfers over connections that are kept; an answer is (status, milliseconds, Retry-After)."""

    def __init__(self, server, person, accounts):
        self.port, self.accounts, self.n = server.port, accounts, 0
        self.cookie = "; ".join(f"{k}={v}" for k, v in person.http.cookies.items())
        self.idle, self.answers, self.done_at = [], [], []

    def request(self):
        self.n += 1
        source, target = (self.accounts[(self.n + i) % len(self.accounts)]["id"] for i in (0, 1))
        body = json.dumps({"id": str(uuid.uuid4()), "from": source, "to": target, "amount": 1, "currency": "EUR",
                           "memo": "m"})
        return (f"POST {API}/transfers HTTP/1.1\r\nHost: localhost\r\nCookie: {self.cookie}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()

    async def one(self):
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        began = time.monotonic()
        writer.write(self.request())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
        ended = time.monotonic()
        self.answers.append((int(head.split()[1]), (ended - began) * 1000, fields.get("retry-after")))
        self.done_at.append((ended, int(head.split()[1])))
        self.idle.append((reader, writer))

    async def closed(self, clients, seconds):
        """As many as the clients can do one after the other; per second."""
        until = time.monotonic() + seconds

        async def client():
            while time.monotonic() < until:
                await self.one()
        await asyncio.gather(*(client() for _ in range(clients)))
        return sum(a[0] == 201 for a in self.answers) / seconds

    async def open(self, rate, seconds):
        """So many per second, whatever the answers do. The work done while it lasts, per second."""
        began, tasks = time.monotonic(), []
        while (now := time.monotonic()) < began + seconds:
            while len(tasks) < (now - began) * rate:
                tasks.append(asyncio.create_task(self.one()))
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
        return sum(s == 201 and began + 1 <= at < began + seconds for at, s in self.done_at) / (seconds - 1)


def percentile(values, p):
    return statistics.quantiles(values, n=100)[p - 1] if len(values) > 1 else 0


def test_ten_times_the_load_keeps_the_work_near_the_peak(own_server):
    server = own_server
    server.settings.update(DATABASE_CONNECTIONS=4, THREADS=1, REQUEST_SECONDS=2, ACCESS_LOG="off")
    server.start()
    ada = Person(server)
    accounts = [ada.account(f"A{i}") for i in range(40)]
    for account in accounts:
        ada.deposit(account, 10_000)
    server.alter(SLOW)
    peak = asyncio.run(Load(server, ada, accounts).closed(8, 3))
    load = Load(server, ada, accounts)
    work = asyncio.run(load.open(peak * TIMES, SECONDS))
    kinds = collections.Counter(a[0] for a in load.answers)
    accepted = [ms for status, ms, _ in load.answers if status == 201]
    refused = [ms for status, ms, _ in load.answers if status == 503]
    early = sum(ms < 1000 for ms in refused)
    print(f"peak {peak:.0f}/s, offered {len(load.answers) / SECONDS:.0f}/s, done {work:.0f}/s ({work / peak:.0%}), {dict(kinds)}, "
          f"accepted p99 {percentile(accepted, 99):.0f} ms, refused p50 {percentile(refused, 50):.1f} ms "
          f"p99 {percentile(refused, 99):.1f} ms, {len(refused) - early} of them late")
    assert set(kinds) == {201, 503}
    assert all(after == "1" for status, _, after in load.answers if status == 503)
    assert len(refused) > len(accepted)  # it was too much
    assert work > peak / 2
    assert early > 0.99 * len(refused)  # not by their deadline of two seconds
    assert server.stop() == 0, server.log_text()
    assert broken_rules(server) == []
