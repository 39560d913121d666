"""What the tests that watch a server from outside share: a free port, and clients that ask without end.

    with Load((lambda: httpx.get(url), lambda answer: answer.status_code == 200)) as load:
        restart()
        load.wait_for_answers()
    assert load.failed == []
"""
import socket
import threading
import time

import httpx


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Load:
    """Each client is a pair: what asks once, and what says whether the answer is right. It asks on a thread of its
    own until the end; an answer that is not right, or none, is a failure."""

    def __init__(self, *clients):
        self.over, self.failed, self.done = False, [], [0] * len(clients)
        self.threads = [threading.Thread(target=self.run, args=(i, *client)) for i, client in enumerate(clients)]

    def run(self, i, ask, is_right):
        while not self.over:
            try:
                answer = ask()
                if not is_right(answer):
                    self.failed.append(f"client {i}: {answer.status_code} {answer.text[:300]}")
            except httpx.TransportError as e:
                self.failed.append(f"client {i}: {e!r}")
            self.done[i] += 1
            time.sleep(0.003)

    def wait_for_answers(self):
        """Until each client has had one more."""
        before = list(self.done)
        while any(now <= was for now, was in zip(self.done, before)):
            time.sleep(0.01)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for t in self.threads:
            t.join()
