#!/usr/bin/python3
"""pando beside libh2o + libpq, a bare libpq program, and Node's fastify + pg, in one run on one PostgreSQL.

    bench/db/run.py BUILD_DIR [--seconds 3] [--rounds 3] [--only single,many] [--servers pando,h2o] [--layout one|split]

See README.md for what the cases are and how to read the table. Rounds alternate over the programs; medians are
printed. fastify and pg are fetched by npm into BUILD_DIR/bench/db/node, once; `--no-fastify` leaves them out.
"""
import argparse
import html
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402

CPUS = sorted(os.sched_getaffinity(0))
CASES = {  # name: what wrk asks for; the units that bare_pq runs for it
    "none": ("/none", ()),
    "single": ("/world/", ("single", "single16")),
    "many": ("/worlds/", ("many",)),
    "fortunes": ("/fortunes", ()),
    "update": ("/update/", ("update",)),
    "mix": ("mix", ()),
}
SERVED = ("none", "single", "many")  # by the bare program behind HTTP
BATCHING = {"single": "/world/", "batched": "/batched/"}  # pando alone, MANY at a time and one at a time
MANY = 256
TOKEN = "1" * 32
# us user, system of one core where the marks were taken: the mark, and what h2o's own benchmark application had there.
# Here they are judged as the ratio of the two to h2o-each of this run, which does the same (README.md).
ONE_CORE = {
    "single": ((1.4, 2.4), (1.6, 2.5)),
    "many": ((13, 20), (17, 25)),
    "fortunes": ((2.8, 2.3), (3.2, 2.3)),
    "update": ((18, 30), (25, 35)),
}


def wrk(port, what, connections, seconds, on_cpu):
    out = subprocess.run(["taskset", "-c", str(on_cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s",
                          str(HERE / "load.lua"), f"http://127.0.0.1:{port}", "--", what], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        print(out, file=sys.stderr)
    unit = {"us": 1e-3, "ms": 1, "s": 1e3}

    def latency(percent):
        number, of = re.search(percent + r"%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(number) * unit[of]

    return (int(re.search(r"(\d+) requests in", out).group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            latency("50"), latency("99"))


def measure(server, case, db, args, load_on):
    """req/s, p50 ms, p99 ms, user us, system us, PostgreSQL's us, connections"""
    with server as s:
        wrk(s.port, CASES[case][0], args.connections, 2, load_on)  # fastify's code has been compiled by then
        peers.keep_nice(db.pid)
        before, db_before = peers.cpu(s.process.pid), db.cpu()
        requests, rate, p50, p99 = wrk(s.port, CASES[case][0], args.connections, args.seconds, load_on)
        after, db_after, open_ = peers.cpu(s.process.pid), db.cpu(), db.connections()
    user, system = ((after[i] - before[i]) * 1e6 / max(requests, 1) for i in (0, 1))
    return rate, p50, p99, user, system, (db_after - db_before) * 1e6 / max(requests, 1), open_


def measure_bare(program, unit, db, args, on_cpu):
    before = db.cpu()
    out = subprocess.run(["taskset", "-c", str(on_cpu), program, db.url, unit, str(args.seconds)], check=True, capture_output=True,
                         text=True).stdout.split()
    units, took, user, system = int(out[0]), *(float(x) for x in out[1:4])
    return units / took, 0, 0, user, system, (db.cpu() - before) * 1e6 / units, 1


def fetch_fastify(build):
    folder = build / "bench/db/node"
    if not (folder / "node_modules/fastify").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        print("fetching fastify and pg", flush=True)
        subprocess.run(["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", "--prefix",
                        str(folder), "fastify@5", "pg@8"], check=True)
    return folder / "node_modules"


def bare_server(port, on_cpu, build, db):
    return peers.Server("bare+http", [str(build / "bench/db/bare_pq"), db.url, "serve", str(port)], port, on_cpu)


def h2o_server(name, port, on_cpu, build, db, *how):
    return peers.Server(name, [str(build / "bench/db/h2o_pq"), db.url, str(port), *how], port, on_cpu)


def pando_server(port, on_cpu, args, build, work, db):
    return peers.Server("pando", [str(build / "bench/db/pando_db"), "serve"], port, on_cpu, cwd=work, env={
        "PORT": str(port), "HOST": "127.0.0.1", "PANDO_ENV": "production", "SECRET_KEY": "1" * 64, "METRICS_TOKEN": TOKEN,
        "THREADS": "1", "ACCESS_LOG": "on", "DATABASE_URL": db.url, **dict(s.split("=", 1) for s in args.set)})


def wanted_servers(port, on_cpu, args, build, work, db, modules):
    made = {
        "pando": lambda: pando_server(port, on_cpu, args, build, work, db),
        "h2o-each": lambda: h2o_server("h2o-each", port, on_cpu, build, db, "1", "each"),
        "h2o": lambda: h2o_server("h2o", port, on_cpu, build, db, str(args.h2o_connections)),
        "bare": lambda: bare_server(port, on_cpu, build, db),
        "fastify": lambda: peers.Server("fastify", ["node", str(HERE / "fastify.cjs")], port, on_cpu, env={
            "PORT": str(port), "NODE_ENV": "production", "NODE_PATH": str(modules), "DATABASE_URL": db.url}),
    }
    return [made[name]() for name in made if name in args.servers]


def ask(server, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", body, {"Content-Type": "application/json"},
                                     method="PUT" if body else "GET")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            got = answer.read().decode()
            return answer.status, json.loads(got) if got.startswith("{") else html.unescape(got)
    except urllib.error.HTTPError as refused:
        return refused.code, ""


def check_alike(servers):
    """All give the same answers, or the run ends: one that does less would look fast."""
    expected = {}
    for s in servers:
        paths = ["/none", "/world/7", "/world/10000", "/worlds/7"]
        if s.name != "bare+http":
            paths += ["/world/10001", "/fortunes", "/items/7", "/items/7", "/item/7", "/nowhere"]
        with s:
            got = {path: ask(s, path) for path in paths}
            if s.name != "bare+http":
                got["changed"] = [ask(s, "/item/9906", b'{"price":%d,"stock":6}' % price) + ask(s, "/items/7") for price in (200, 10006)]
                got["refused"] = ask(s, "/item/9906", b'{"price":-1,"stock":3}')[0] in (400, 422)
                got["rows updated"] = [row["id"] for row in ask(s, "/update/100")[1]["worlds"]]
        for what, answer in got.items():
            if expected.setdefault(what, answer) != answer:
                sys.exit(f"{what}: {s.name} answers {str(answer)[:400]}\n{servers[0].name} answers {str(expected[what])[:400]}")


def ratios(ours, theirs):
    return (ours[3] / max(theirs[3], 1e-9), ours[4] / max(theirs[4], 1e-9), sum(ours[3:5]) / max(sum(theirs[3:5]), 1e-9))


def show_row(case, program, m, ours):
    ratio = "" if program == "pando" or not ours else "   " + "".join(f"{r:6.2f} x" for r in ratios(ours, m))
    latency = f"{m[1]:8.2f}{m[2]:8.2f}" if m[2] else f"{'':16}"
    name = program.replace("bare single16", "bare x16").split(" " + case)[0]
    print(f"{case:9}{name:10}{m[0]:10,.0f}{latency}{m[3]:9.2f}{m[4]:8.2f}{m[5]:8.1f}{m[6]:6.0f}{ratio}", flush=True)


def measure_case(case, servers, db, args, build, server_on, rest_on):
    results = {}
    for _ in range(args.rounds):
        for s in servers:
            if s.name != "bare+http" or case in SERVED:
                results.setdefault(s.name, []).append(measure(s, case, db, args, rest_on))
        for unit in CASES[case][1] if "bare" in args.servers else ():
            results.setdefault("bare " + unit, []).append(measure_bare(build / "bench/db/bare_pq", unit, db, args, server_on))
    return {program: [statistics.median(column) for column in zip(*rows)] for program, rows in results.items()}


def show_layout(name, server_on, rest_on, args, build, work, db, modules):
    """Prints the table of one layout; returns (case, program) -> medians, and program -> exact user us of `single`."""
    servers = wanted_servers(peers.free_port(), server_on, args, build, work, db, modules)
    check_alike(servers)
    db.move(rest_on)
    print(f"\n{name}: server on CPU {server_on}, PostgreSQL and wrk on CPU {rest_on}; {args.connections} connections of clients")
    print(f"{'case':9}{'program':10}{'req/s':>10}{'p50 ms':>8}{'p99 ms':>8}{'user us':>9}{'sys us':>8}{'PG us':>8}{'conns':>6}   pando's ratio: user, sys, both")
    seen = {}
    for case in (case for case in args.only.split(",") if case in CASES):
        found = measure_case(case, servers, db, args, build, server_on, rest_on)
        for program, m in found.items():
            show_row(case, program, m, found.get("pando"))
            seen[case, program] = m
    exact = [s for s in servers if s.name in ("pando", "h2o", "fastify") and ("single", s.name) in seen]
    return seen, {s.name: between(s, args, build, rest_on) for s in exact}


def between(server, args, build, load_on):
    """User us of a `single` request, measured between system calls."""
    return peers.between(server, build, lambda: wrk(server.port, CASES["single"][0], args.connections, 2 * args.seconds, load_on)[0])


def show_mark(what, value, limit):
    print(f"  {what:66}{value:7.2f}  mark {limit:.3g}: {'reached' if value <= limit else 'MISSED'}")


def show_h2o_mark(case, ours, each, h2o):
    mark, theirs = ONE_CORE[case]
    show_mark(f"{case}: user and system CPU, of h2o-each's", ratios(ours, each)[2], sum(mark) / sum(theirs))
    print(f"    us user + system: pando {ours[3]:.2f} + {ours[4]:.2f}, h2o-each {each[3]:.2f} + {each[4]:.2f}; where the marks were taken: "
          f"mark {mark[0]:g} + {mark[1]:g}, h2o's own application {theirs[0]:g} + {theirs[1]:g}")
    if h2o:
        print(f"    of h2o's, which has one Sync for all of a turn: {ratios(ours, h2o)[2]:.2f}")


def show_marks(name, seen, exact):
    print(f"\nmarks ({name}); missing one does not fail the run, because a busy machine misses them")
    for case in CASES:
        ours, fastify, bare, h2o, each = (seen.get((case, program)) for program in ("pando", "fastify", "bare+http", "h2o", "h2o-each"))
        if not ours:
            continue
        if each and case in ONE_CORE and name == "one core":
            show_h2o_mark(case, ours, each, h2o)
        if case == "single" and name == "one core":
            show_mark("single: PostgreSQL's us", ours[5], 7)
        if case == "single" and fastify:
            show_mark("single: user CPU of a request, of fastify's", ours[3] / fastify[3], 0.05)
            if exact.get("pando") and exact.get("fastify"):
                show_mark("single: the same, measured between system calls", exact["pando"] / exact["fastify"], 0.05)
                print("    us: " + ", ".join(f"{program} {us:.2f}" for program, us in exact.items() if us))
            show_mark("single: user and system CPU of a request, of fastify's", sum(ours[3:5]) / sum(fastify[3:5]), 1 / 6)
        if case == "many" and bare:
            show_mark("many: user and system CPU, of the bare program's behind HTTP", sum(ours[3:5]) / sum(bare[3:5]), 1.3)
            alone, none = seen["many", "bare many"], seen.get(("none", "pando"))
            if none:
                show_mark("many: less that of none, of the bare program's alone", (sum(ours[3:5]) - sum(none[3:5])) / sum(alone[3:5]), 1.3)
        if fastify and fastify[6]:
            show_mark(f"{case}: connections to PostgreSQL, of fastify's", ours[6] / fastify[6], 0.25)


def statements(server):
    """Of reads, as PostgreSQL was asked for them."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/metrics", headers={"Authorization": "Bearer " + TOKEN})
    seen = dict(line.rsplit(" ", 1) for line in urllib.request.urlopen(request).read().decode().splitlines() if line[0] != "#")
    reads, together, batches = (int(seen[f"db_{name}_total"]) for name in ("reads", "batched_reads", "read_batches"))
    return reads - together + batches


def measure_batching(server, what, db, seconds, on_cpu):
    """req/s, p50 ms, user us, system us, PostgreSQL's us, statements"""
    with server as s:
        wrk(s.port, what, MANY, 1, on_cpu)
        peers.keep_nice(db.pid)
        before, db_before, asked = peers.cpu(s.process.pid), db.cpu(), statements(s)
        requests, rate, p50, _ = wrk(s.port, what, MANY, seconds, on_cpu)
        after, db_after, asked = peers.cpu(s.process.pid), db.cpu(), statements(s) - asked
    user, system = ((after[i] - before[i]) * 1e6 / requests for i in (0, 1))
    return rate, p50, user, system, (db_after - db_before) * 1e6 / requests, asked / requests


def measure_alone(server, args, on_cpu):
    """p50 us of each case, one request at a time: the best of slices taken in turn, since others only make it longer."""
    slices = {case: [] for case in BATCHING}
    with server as s:
        for _ in range(4 * args.rounds):
            for case, what in BATCHING.items():
                slices[case].append(wrk(s.port, what, 1, 1, on_cpu)[2] * 1e3)
    return {case: min(found) for case, found in slices.items()}


def show_batching(server, db, args, on_cpu):
    """A lookup with and without `-- batch`, MANY requests at a time and one at a time; all on one CPU."""
    seen = {}
    print(f"\nbatching: everything on CPU {on_cpu}; {MANY} connections of clients")
    print(f"{'case':9}{'req/s':>10}{'p50 ms':>8}{'user us':>9}{'sys us':>8}{'PG us':>8}{'statements':>12}")
    results = {case: [] for case in BATCHING}
    for _ in range(args.rounds):
        for case, what in BATCHING.items():
            results[case].append(measure_batching(server, what, db, args.seconds, on_cpu))
    for case, rows in results.items():
        m = seen[case] = [statistics.median(column) for column in zip(*rows)]
        print(f"{case:9}{m[0]:10,.0f}{m[1]:8.2f}{m[2]:9.2f}{m[3]:8.2f}{m[4]:8.2f}{m[5]:12.4f}", flush=True)
    alone, together, idle = seen["single"], seen["batched"], measure_alone(server, args, on_cpu)
    longer = idle["batched"] - idle["single"]
    for what, value, goal, ok in (
            ("lookups for a second of PostgreSQL's CPU, of unbatched's", alone[4] / together[4], ">= 3", alone[4] >= 3 * together[4]),
            ("statements, unbatched's of batched's", alone[5] / together[5], ">= 3", alone[5] >= 3 * together[5]),
            ("one at a time: us that a request takes longer", longer, "<= 20", longer <= 20)):
        print(f"  {what:66}{value:7.2f}  goal {goal}: {'reached' if ok else 'MISSED'}")


def seed(build, work, db):
    subprocess.run([build / "bench/db/pando_db", "seed"], cwd=work, check=True, env={**os.environ, "DATABASE_URL": db.url})
    subprocess.run(["psql", "-qc", "vacuum analyze", db.url], check=True)


def run(args, build, modules, tmp):
    with peers.Postgres(tmp + "/pg") as db:
        seed(build, tmp, db)
        print(f"load average before: {' '.join(f'{x:.1f}' for x in os.getloadavg())}; {args.rounds} rounds of {args.seconds} s; medians")
        layouts = [("one core", CPUS[-1], CPUS[-1])]
        if args.layout != "one" and len(CPUS) > 1:
            layouts.append(("split", CPUS[0], CPUS[-1]))
        if args.layout == "split":
            del layouts[0]
        if set(args.only.split(",")) == {"batched"}:
            layouts = []
        for name, server_on, rest_on in layouts:
            show_marks(name, *show_layout(name, server_on, rest_on, args, build, tmp, db, modules))
        if "batched" in args.only.split(",") and "pando" in args.servers:
            db.move(CPUS[-1])
            show_batching(pando_server(peers.free_port(), CPUS[-1], args, build, tmp, db), db, args, CPUS[-1])
        print(f"load average after: {' '.join(f'{x:.1f}' for x in os.getloadavg())}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", default=",".join([*CASES, "batched"]))
    parser.add_argument("--servers", default="pando,h2o-each,h2o,bare,fastify")
    parser.add_argument("--layout", choices=("one", "split", "both"), default="both")
    parser.add_argument("--set", action="append", default=["DATABASE_CONNECTIONS=2"], metavar="NAME=VALUE", help="a setting of pando's")
    parser.add_argument("--h2o-connections", type=int, default=2, help="to PostgreSQL; 2 are best for it")
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    args.servers = args.servers.split(",")
    if not (build / "bench/db/h2o_pq").exists():
        print("h2o is left out: libh2o-evloop-dev was not there when this was built (scripts/deps bench)")
        args.servers = [s for s in args.servers if not s.startswith("h2o")]
    peers.keep_nice(os.getpid())
    modules = fetch_fastify(build) if "fastify" in args.servers else None
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)  # PostgreSQL does not run as root
        run(args, build, modules, tmp)


if __name__ == "__main__":
    main()
