"""The server is killed again and again while clients move money: nothing acknowledged is lost.

PANDO_KILL_SECONDS (default 10), PANDO_KILL_EVERY (default 2) and PANDO_KILL_CLIENTS (default 32) set the size;
the seed is printed.
"""
import os
import random
import threading
import time
import uuid

import httpx
from conftest import API, Person
from ledger_oracle import broken_rules

SECONDS = float(os.environ.get("PANDO_KILL_SECONDS", 10))
EVERY = float(os.environ.get("PANDO_KILL_EVERY", 2))
CLIENTS = int(os.environ.get("PANDO_KILL_CLIENTS", 32))


class Mover(threading.Thread):
    """Moves random amounts between the accounts; writes down what it was told."""

    def __init__(self, server, cookies, accounts, seed, stop):
        super().__init__()
        self.server, self.cookies, self.accounts, self.stop = server, cookies, accounts, stop
        self.random = random.Random(seed)
        self.ok, self.refused, self.unknown, self.strange = {}, set(), {}, []

    def run(self):
        http = httpx.Client(base_url=self.server.url, cookies=self.cookies, timeout=5)
        while not self.stop.is_set():
            source, target = self.random.sample(self.accounts, 2)
            body = {"id": str(uuid.UUID(int=self.random.getrandbits(128), version=4)), "from": source["id"],
                    "to": target["id"], "amount": self.random.randint(1, 400), "currency": "EUR", "memo": "m"}
            try:
                answer = http.post(API + "/transfers", json=body)
            except httpx.TransportError:
                self.unknown[body["id"]] = body
                http.close()
                http = httpx.Client(base_url=self.server.url, cookies=self.cookies, timeout=5)
                time.sleep(0.02)
                continue
            if answer.status_code == 201:
                self.ok[body["id"]] = body
            elif answer.status_code == 422:
                self.refused.add(body["id"])
            elif answer.status_code == 503:
                self.unknown[body["id"]] = body
            else:
                self.strange.append((answer.status_code, answer.text))


def test_acknowledged_transfers_survive_kills(own_server):
    seed = int(os.environ.get("PANDO_SEED", random.randrange(2**32)))
    print("seed", seed)
    own_server.start()
    ada = Person(own_server)
    accounts = [ada.account(f"A{i}") for i in range(8)]
    for account in accounts:
        ada.deposit(account, 2000)
    stop = threading.Event()
    cookies = dict(ada.http.cookies.items())
    movers = [Mover(own_server, cookies, accounts, seed + i, stop) for i in range(CLIENTS)]
    for m in movers:
        m.start()
    kills, until = 0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(EVERY)
        own_server.kill()
        assert broken_rules(own_server) == []
        own_server.start()
        kills += 1
    stop.set()
    for m in movers:
        m.join()
    ok = {k: v for m in movers for k, v in m.ok.items()}
    refused = set().union(*(m.refused for m in movers))
    unknown = {k: v for m in movers for k, v in m.unknown.items()}
    print(f"kills {kills}, acknowledged {len(ok)}, refused {len(refused)}, unknown {len(unknown)}")
    assert [s for m in movers for s in m.strange] == []
    assert len(ok) > 50 and kills >= 1

    for id, body in ok.items():
        answer = ada.get(f"/transfers/{id}")
        assert answer.status_code == 200, (id, answer.text)
        got = answer.json()
        assert all(got[k] == body[k] for k in ("from", "to", "amount", "currency"))
    for id in list(refused)[:500]:
        assert ada.get(f"/transfers/{id}").status_code == 404
    for id, body in list(unknown.items())[:500]:  # a repeat gives the same answer or makes it now, once
        assert ada.http.post(API + "/transfers", json=body).status_code in (200, 201, 422)
    assert sum(ada.balance(a) for a in accounts) == 16_000
    assert own_server.stop() == 0
    assert broken_rules(own_server) == []
