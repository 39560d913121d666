"""A listening socket that outlives the process: restarts under load lose no request."""
import os
import signal
import socket
import subprocess
import threading
import time

import httpx
from conftest import API, FINFLOW, Person, one_clear_line

RESTARTS = 20


class Manager:
    """What systemd does for a service with a socket: it holds the socket and waits for READY=1."""

    def __init__(self, server):
        self.server = server
        self.socket = socket.create_server(("127.0.0.1", server.port), backlog=1024)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind("\0" + f"pando-test-{os.getpid()}-{server.port}")
        self.told.settimeout(30)

    def hear(self, word):
        while self.told.recv(100).decode() != word:
            pass

    def start(self, **settings):
        env = {**self.server.env(), "PORT": "1", "LISTEN_FDS": "1", **settings,
               "NOTIFY_SOCKET": "@" + self.told.getsockname()[1:].decode()}
        log = open(self.server.dir / "log", "ab")
        self.server.process = subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ exec "$0" serve', FINFLOW], cwd=self.server.dir, env=env, stdout=log,
            stderr=log, pass_fds=[3], preexec_fn=lambda: os.dup2(self.socket.fileno(), 3, inheritable=True))
        self.hear("READY=1")

    def stop(self):
        self.server.process.send_signal(signal.SIGTERM)
        self.hear("STOPPING=1")
        assert self.server.process.wait(20) == 0


class Load:
    """Clients of three kinds; what any of them sees of a restart is a failure."""

    def __init__(self, server):
        self.server, self.over, self.done, self.failed = server, False, [0, 0, 0], []
        self.ada = Person(server)
        self.a, self.b = self.ada.account("A"), self.ada.account("B")
        self.ada.deposit(self.a, 10**6)
        self.threads = [threading.Thread(target=self.run, args=(i, work)) for i, work in enumerate(
            [self.read_on_one_connection, self.read_on_new_connections, self.transfer])]

    def read_on_one_connection(self):
        return self.ada.get("/accounts").status_code == 200

    def read_on_new_connections(self):
        return httpx.get(self.server.url + "/up", timeout=30).status_code == 200

    def transfer(self):
        return self.ada.transfer(self.a, self.b, 1).status_code == 201

    def run(self, i, work):
        while not self.over:
            try:
                good = work()
            except httpx.TransportError as e:
                good = None
                self.failed.append(f"{work.__name__}: {e!r}")
            self.done[i] += 1
            if good is False:
                self.failed.append(f"{work.__name__}: not the answer expected")
            time.sleep(0.002)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for t in self.threads:
            t.join()


def test_restarts_under_load_lose_nothing(own_server):
    manager = Manager(own_server)
    manager.start()
    with Load(own_server) as load:
        for i in range(RESTARTS):
            before = list(load.done)
            manager.stop()
            manager.start(THREADS="2" if i % 2 else "1")
            while any(now <= was for now, was in zip(load.done, before)):
                time.sleep(0.01)
    assert load.failed == []
    balance = load.ada.get(f"/accounts/{load.b['id']}").json()["balance"]
    assert (balance if isinstance(balance, int) else balance["amount"]) == load.done[2]
    manager.stop()


def test_a_wrong_descriptor_is_named(own_server):
    env = {**own_server.env(), "LISTEN_FDS": "1"}
    result = subprocess.run(["sh", "-c", 'LISTEN_PID=$$ exec "$0" serve 3</dev/null', FINFLOW], env=env, text=True,
                            cwd=own_server.dir, capture_output=True, timeout=20)
    one_clear_line(result, "descriptor 3")
