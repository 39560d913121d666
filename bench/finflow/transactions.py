#!/usr/bin/python3
"""The transaction list of an organisation with 10,000 entries beside one with 1,000,000.

Two FinFlow servers, each on a database made by `finflow seed`, are asked in turn for the same pages (first
page, filtered by account, by category, by text, deep pages by cursor); prints p50 and p99 of each and the ratio.
The server's own CPU time per request is printed too: on a noisy machine it is the better figure.

    bench/finflow/transactions.py BUILD [--small 10000] [--large 1000000] [--requests 4000]
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time

PASSWORD = "correct horse battery"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, finflow, directory, entries):
        self.entries = entries
        self.port = free_port()
        env = {"PATH": os.environ["PATH"], "PANDO_ENV": "test", "PORT": str(self.port),
               "DATABASE_URL": f"sqlite:{directory}/finflow.db", "ACCESS_LOG": "off"}
        started = time.monotonic()
        subprocess.run([finflow, "seed", "--users", "1", "--orgs", "1", "--entries", str(entries), "--seed", "1"],
                       cwd=directory, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(f"seeded {entries:,} entries in {time.monotonic() - started:.1f} s", flush=True)
        self.process = subprocess.Popen([finflow, "serve"], cwd=directory, env=env,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for _ in range(200):
            try:
                self.connection.request("GET", "/readyz")
                if self.connection.getresponse().read() is not None:
                    break
            except OSError:
                self.connection.close()
                time.sleep(0.05)
        self.cookie = self.sign_in(directory)
        self.times = {}

    def sign_in(self, directory):
        import sqlite3
        email = sqlite3.connect(f"{directory}/finflow.db").execute("select email from identity_user").fetchone()[0]
        self.connection.request("POST", "/api/v1/login", json.dumps({"email": email, "password": PASSWORD}),
                                {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"cannot sign in as {email}: {answer.status} {body[:200]}")
        return answer.getheader("set-cookie").split(";")[0]

    def get(self, path):
        started = time.perf_counter()
        self.connection.request("GET", "/api/v1" + path, headers={"Cookie": self.cookie})
        answer = self.connection.getresponse()
        body = answer.read()
        elapsed = time.perf_counter() - started
        if answer.status != 200:
            raise SystemExit(f"GET {path}: {answer.status} {body[:200]}")
        return elapsed, json.loads(body)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def prepare(self):
        """The same kinds of page on each server: paths to ask for."""
        accounts = self.get("/accounts")[1]["items"]
        categories = self.get("/categories")[1]["items"]
        deep, cursor = [], None
        for _ in range(20):
            page = self.get("/transactions?limit=200" + (f"&cursor={cursor}" if cursor else ""))[1]
            cursor = page["next_cursor"]
            if cursor:
                deep.append(f"/transactions?limit=50&cursor={cursor}")
        self.pages = {
            "first page": ["/transactions"],
            "account": [f"/transactions?account={a['id']}" for a in accounts[:8]],
            "category": [f"/transactions?category={c['id']}" for c in categories[:8]],
            "deep": deep,
        }


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=4000)
    args = parser.parse_args()
    finflow = pathlib.Path(args.build, "finflow", "finflow").resolve()
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        servers = [Server(finflow, a, args.small), Server(finflow, b, args.large)]
        try:
            for s in servers:
                s.prepare()
            rng = random.Random(1)
            for kind in servers[0].pages:
                cpu = [s.cpu() for s in servers]
                times = [[], []]
                for i in range(args.requests):
                    for s, t in zip(servers, times):
                        t.append(s.get(rng.choice(s.pages[kind]))[0])
                cpu = [(s.cpu() - c) / args.requests * 1e6 for s, c in zip(servers, cpu)]
                for p, name in ((0.5, "p50"), (0.99, "p99")):
                    small, large = (percentile(t, p) * 1e6 for t in times)
                    print(f"{kind:12} {name} {small:8.0f} us -> {large:8.0f} us   ratio {large / small:.2f}")
                print(f"{kind:12} cpu {cpu[0]:8.0f} us -> {cpu[1]:8.0f} us   ratio {cpu[1] / max(cpu[0], 1):.2f}", flush=True)
        finally:
            for s in servers:
                s.process.terminate()
                s.process.wait()


main()
