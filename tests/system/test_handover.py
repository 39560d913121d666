"""A listening socket that outlives the process: restarts under load lose no request."""
import os
import signal
import socket
import subprocess

import httpx
from clients import Load
from conftest import FINFLOW, Person, one_clear_line

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


def clients(server, ada, a, b):
    """One that reads on one connection, one that reads on new ones, and one that writes."""
    return [
        (lambda: ada.get("/accounts"), lambda answer: answer.status_code == 200),
        (lambda: httpx.get(server.url + "/up", timeout=30), lambda answer: answer.status_code == 200),
        (lambda: ada.transfer(a, b, 1), lambda answer: answer.status_code == 201),
    ]


def test_restarts_under_load_lose_nothing(own_server):
    manager = Manager(own_server)
    manager.start()
    ada = Person(own_server)
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 10**6)
    with Load(*clients(own_server, ada, a, b)) as load:
        for i in range(RESTARTS):
            manager.stop()
            manager.start(THREADS="2" if i % 2 else "1")
            load.wait_for_answers()
    assert load.failed == []
    assert ada.balance(b) == load.done[2]
    manager.stop()


def test_a_wrong_descriptor_is_named(own_server):
    env = {**own_server.env(), "LISTEN_FDS": "1"}
    result = subprocess.run(["sh", "-c", 'LISTEN_PID=$$ exec "$0" serve 3</dev/null', FINFLOW], env=env, text=True,
                            cwd=own_server.dir, capture_output=True, timeout=20)
    one_clear_line(result, "descriptor 3")
