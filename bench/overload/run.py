#!/usr/bin/python3
"""FinFlow on PostgreSQL, asked ten times as often as it can answer: what is still answered, and how fast is the rest refused?

    bench/overload/run.py BUILD_DIR [--seconds 5] [--rounds 3] [--times 1,2,10] [--set NAME=VALUE]

Of ten requests six read a little (an account, the accounts, transactions), two read the report of a month, and two transfer.
First comes the peak: what connections reach that ask again as soon as they are answered, 32, 64 or 128 of them, whichever is
best; then an open load of so many times that (see flood.c), the last in some rounds, whose medians count; then that peak once more, and the
mean of both counts.
Goodput is only worth its name if each kind of request has its share of it: reads alone would make more of them ("evenly"). The
first second of the open load, in which the queue fills, is not in the figures.

The layout is for two CPUs. PostgreSQL has one and the server the other, and the database is the bottleneck, as in production: a
transfer or a report costs it several times what it costs the server. (With small reads alone the server is, and then asking ten
times as often and refusing nine of ten cost more CPU than this machine has: about 10 us each for the system calls.) In production
the load comes from other machines. Here it runs on what the server leaves of its CPU, at a lower priority: else the scheduler
would give the load half of it, and so measure itself. Whether it was really sent shows in "late": how long after it was due a
request left. Latencies count from when it was due, so they include that. Answers that come when the time is over are not done in it.
A report is of so many categories that the peak is low: ten times it, the server and the load together, is to leave a third of their CPU
idle. With 60 categories they took 93 % of it, and 99 % of the refusals as long as the load was late, 3 to 35 ms, and one more.
Where others work as well, all of it has to go before them (nice -n -20); and the goodput is still what they leave of the
database's CPU, which is less while the load takes theirs on the other one.
"""
import argparse
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402

CPUS = sorted(os.sched_getaffinity(0))
DEADLINE = 10  # seconds
PASSWORD = "correct horse battery"
ACCOUNTS = 60
CATEGORIES = 240
CONNECTIONS = 10000
CLOSED = (32, 64, 128)
BEHIND = 10  # the load's nice value, above the server's and the database's
FIGURES = ("seconds", "good", "good_p50", "good_p99", "good_max", "refused", "refused_p50", "refused_p99", "refused_max", "other",
           "broken", "unsent", "sent", "late_p50", "late_p99", "late_max", "in_time")


class Somebody:
    """Signed up, with accounts full of money."""

    def __init__(self, port):
        self.port, self.cookies = port, {}
        self.ask("POST", "/signup", email="flood@example.com", password=PASSWORD, name="Flood")
        self.accounts = [self.ask("POST", "/accounts", name=f"A{i}", currency="EUR", kind="checking")["id"] for i in range(ACCOUNTS)]
        for account in self.accounts:
            self.ask("POST", f"/accounts/{account}/deposits", amount=10**9, memo="pay")
        for i in range(CATEGORIES):
            self.ask("POST", "/categories", name=f"C{i}")

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
                     2: ("GET", f"/reports/monthly?month={time.strftime('%Y-%m', time.gmtime())}", None),
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


KINDS = 5  # of requests: they take turns in the files


def fill(db):
    """A month in which something happened each day in each category, for the reports."""
    sql = """insert into insights_day (org_id, currency, day, category_id, income, spending)
             select org_id, 'EUR', day, id, 100, 200 from insights_category, generate_series(
                 date_trunc('month', now() at time zone 'UTC'),
                 date_trunc('month', now() at time zone 'UTC') + interval '1 month - 1 day', '1 day') day;"""
    subprocess.run(["psql", "-Xqv", "ON_ERROR_STOP=1", "-c", sql, "-c", "vacuum analyze", db.url], check=True)


def flood(build, port, rate, seconds, connections, files, meter=tuple):
    """What flood prints; and what `meter`, a function, has counted from when the connections were open."""
    command = ["taskset", "-c", str(CPUS[0]), "nice", "-n", str(BEHIND), build / "bench/overload/flood", str(port), f"{rate:.0f}",
               str(seconds), str(connections), *files]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, start_new_session=True) as load:
        peers.keep_nice(load.pid, BEHIND)
        load.stdout.readline()
        before = meter()
        out = load.communicate()[0]
    if load.returncode:
        sys.exit(f"flood ended with {load.returncode}")
    figures = list(map(float, out.split()))
    asked, good = (sum_by_kind(figures[len(FIGURES) + i::2]) for i in (0, 1))
    got = dict(zip(FIGURES, figures), used=[now - then for now, then in zip(meter(), before)])
    got["evenly"] = min(g / max(a, 1) for g, a in zip(good, asked)) * sum(asked) / max(sum(good), 1)
    return got


def sum_by_kind(by_file):
    return [sum(by_file[kind::KINDS]) for kind in range(KINDS)]


def show(name, got, seconds):
    print(f"{name:14}{got['in_time'] / seconds:10,.0f}{got['good_p50']:9.1f}{got['good_p99']:9.1f}{got['good_max']:9.1f}"
          f"{got['refused'] / seconds:12,.0f}{got['refused_p50']:9.2f}{got['refused_p99']:9.2f}{got['refused_max']:9.1f}"
          f"{got['other']:8.0f}{got['broken']:8.0f}{got['unsent']:8.0f}{got['late_p50']:9.2f}{got['late_p99']:9.2f}{got['evenly']:9.2f}",
          flush=True)


def mark(what, reached, value):
    print(f"  {what:66}{value:9.2f}  {'reached' if reached else 'MISSED'}")


def tidy(db):
    """What was left by the phases before must not slow the next one down."""
    subprocess.run(["psql", "-Xqc", "vacuum analyze", db.url], check=True)


def closed(args, build, port, files, levels, db):
    """Good answers a second at the best level, and that level."""
    found = []
    for level in levels:
        tidy(db)
        got = flood(build, port, 0, args.seconds, level, files)
        show(f"closed, {level}", got, args.seconds)
        found.append((got["in_time"] / args.seconds, level))
    return max(found)


def measure(args, build, port, files, server, db):
    print(f"{'load':14}{'good/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'refused/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"
          f"{'other':>8}{'broken':>8}{'unsent':>8}{'late p50':>9}{'p99 ms':>9}{'evenly':>9}")
    flood(build, port, 0, 1, max(CLOSED), files)  # connections, statements, plans
    peers.keep_nice(db.pid)  # each connection of the database is a session of its own
    rounds = []
    before, level = closed(args, build, port, files, CLOSED, db)
    *less, most = args.times.split(",")
    for times in less + [most] * args.rounds:
        tidy(db)
        got = flood(build, port, before * float(times), args.seconds, CONNECTIONS, files,
                    lambda: (sum(peers.cpu(server.process.pid)), db.cpu()))
        show(f"{times} x, open", got, args.seconds)
        asked = got["good"] + got["refused"] + got["other"]
        server_s, db_s = got["used"]
        print(f"{'':14}the server used {server_s / got['seconds']:.2f} of a CPU, {server_s * 1e6 / max(asked, 1):.1f} us an answer; "
              f"the database {db_s / got['seconds']:.2f}")
        rounds = rounds + [got] if times == most else []
    peak = (before + closed(args, build, port, files, [level], db)[0]) / 2
    good, evenly, refused_ms, good_ms = (statistics.median(got[name] for got in rounds)
                                         for name in ("in_time", "evenly", "refused_p99", "good_p99"))
    print("\nmarks, medians; missing one does not fail the run, because a busy machine misses them")
    mark("goodput at most load, of the peak", good / args.seconds >= 0.9 * peak, good / args.seconds / peak)
    mark("share of it of the kind that is answered least, of what it is due", evenly >= 0.9, evenly)
    mark("p99 of a refusal, ms (mark 10)", refused_ms < 10, refused_ms)
    mark(f"p99 of an answer, s (deadline {DEADLINE})", good_ms <= DEADLINE * 1e3, good_ms / 1e3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
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
            peers.keep_nice(db.pid)
            server = peers.Server("finflow", [str(build / "finflow/finflow"), "serve"], port, CPUS[0], cwd=tmp, env={
                "PORT": str(port), "PANDO_ENV": "test", "THREADS": "1", "HANDLER_BUDGET_MS": "0", "DATABASE_URL": db.url,
                "REQUEST_SECONDS": str(DEADLINE), **dict(s.split("=", 1) for s in args.set)})
            with server:
                files = Somebody(port).write(tmp)
                fill(db)
                measure(args, build, port, files, server, db)


if __name__ == "__main__":
    main()
