#!/usr/bin/python3
"""FinFlow on PostgreSQL, asked ten times as often as it can answer: what is still answered, and how fast is the rest refused?

    bench/overload/run.py BUILD_DIR [--seconds 5] [--times 1,10] [--set NAME=VALUE]

Of ten requests eight read (an account, the accounts, transactions) and two transfer. The peak comes first, as 64
connections reach it that ask again as soon as they are answered; then an open load of so many times that (see flood.c).
The server and the load share a CPU and PostgreSQL has the other, so that it is the bottleneck, as in production.
"""
import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402

CPUS = sorted(os.sched_getaffinity(0))
DEADLINE = 10  # seconds
PASSWORD = "correct horse battery"
ACCOUNTS = 64
CONNECTIONS = 4000
FIGURES = ("seconds", "good", "good_p50", "good_p99", "good_max", "refused", "refused_p50", "refused_p99", "refused_max", "other",
           "broken", "unsent")


class Somebody:
    """Signed up, with accounts full of money."""

    def __init__(self, port):
        self.port, self.cookies = port, {}
        self.ask("POST", "/signup", email="flood@example.com", password=PASSWORD, name="Flood")
        self.accounts = [self.ask("POST", "/accounts", name=f"A{i}", currency="EUR", kind="checking")["id"] for i in range(ACCOUNTS)]
        for account in self.accounts:
            self.ask("POST", f"/accounts/{account}/deposits", amount=10**9, memo="pay")

    def ask(self, method, path, **body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, "/api/v1" + path, json.dumps(body), {"Content-Type": "application/json", "Cookie": self.cookie()})
        answer = connection.getresponse()
        for header, value in answer.getheaders():
            if header.lower() == "set-cookie":
                name, _, rest = value.partition("=")
                self.cookies[name] = rest.split(";")[0]
        text = answer.read()
        if answer.status not in (200, 201):
            sys.exit(f"{method} {path}: {answer.status} {text}")
        return json.loads(text)

    def cookie(self):
        return "; ".join(f"{k}={v}" for k, v in self.cookies.items())

    def write(self, folder):
        """Requests as files; which of them are transfers shows in the name."""
        files = []
        for i in range(ACCOUNTS):
            source, target = self.accounts[i], self.accounts[(i * 7 + 1) % ACCOUNTS]
            kinds = {0: ("GET", "/accounts", None), 1: ("GET", "/transactions?limit=20", None),
                     4: ("POST", "/transfers", {"id": "@UUID@".ljust(36, "@"), "from": source, "to": target, "amount": 1,
                                                "currency": "EUR", "memo": "m"})}
            method, path, body = kinds.get(i % 5, ("GET", f"/accounts/{source}", None))
            text = json.dumps(body) if body else ""
            head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nCookie: {self.cookie()}\r\n"
            if body:
                head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
            files.append(folder / f"{i:02}-{method}")
            files[-1].write_text(head + "\r\n" + text)
        return files


def flood(build, port, rate, seconds, connections, files, on_cpu):
    out = subprocess.run(["taskset", "-c", str(on_cpu), build / "bench/overload/flood", str(port), f"{rate:.0f}", str(seconds),
                          str(connections), *map(str, files)], capture_output=True, text=True, check=True).stdout
    return dict(zip(FIGURES, map(float, out.split())))


def show(name, got, seconds):
    print(f"{name:14}{got['good'] / seconds:10,.0f}{got['good_p50']:9.1f}{got['good_p99']:9.1f}{got['good_max']:9.1f}"
          f"{got['refused'] / seconds:12,.0f}{got['refused_p50']:9.2f}{got['refused_p99']:9.2f}{got['refused_max']:9.1f}"
          f"{got['other']:8.0f}{got['broken']:8.0f}{got['unsent']:8.0f}", flush=True)


def mark(what, reached, value):
    print(f"  {what:66}{value:9.2f}  {'reached' if reached else 'MISSED'}")


def measure(args, build, port, files, server):
    on = CPUS[0]
    print(f"{'load':14}{'good/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'refused/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"
          f"{'other':>8}{'broken':>8}{'unsent':>8}")
    flood(build, port, 0, 1, 64, files, on)  # connections, statements, plans
    closed = flood(build, port, 0, args.seconds, 64, files, on)
    peak = closed["good"] / closed["seconds"]
    show("peak, closed", closed, closed["seconds"])
    for times in args.times.split(","):
        before = peers.cpu(server.process.pid)
        got = flood(build, port, peak * float(times), args.seconds, CONNECTIONS, files, on)
        show(f"{times} x, open", got, args.seconds)
        after = peers.cpu(server.process.pid)
        asked = got["good"] + got["refused"] + got["other"]
        print(f"{'':14}server's CPU of an answer: {sum(b - a for a, b in zip(before, after)) * 1e6 / max(asked, 1):.1f} us")
    print("\nmarks; missing one does not fail the run, because a busy machine misses them")
    mark("goodput at most load, of the peak", got["good"] / args.seconds >= 0.9 * peak, got["good"] / args.seconds / peak)
    mark("p99 of a refusal, ms (mark 10)", got["refused_p99"] < 10, got["refused_p99"])
    mark(f"p99 of an answer, s (deadline {DEADLINE})", got["good_p99"] <= DEADLINE * 1e3, got["good_p99"] / 1e3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--times", default="1,2,10")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of FinFlow's")
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    peers.keep_nice(os.getpid())
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)  # PostgreSQL does not run as root
        port, tmp = peers.free_port(), pathlib.Path(tmp)
        with peers.Postgres(tmp / "pg") as db:
            db.move(CPUS[-1])
            server = peers.Server("finflow", [str(build / "finflow/finflow"), "serve"], port, CPUS[0], cwd=tmp, env={
                "PORT": str(port), "PANDO_ENV": "test", "THREADS": "1", "HANDLER_BUDGET_MS": "0", "DATABASE_URL": db.url,
                "REQUEST_SECONDS": str(DEADLINE), **dict(s.split("=", 1) for s in args.set)})
            with server:
                measure(args, build, port, Somebody(port).write(tmp), server)


if __name__ == "__main__":
    main()
