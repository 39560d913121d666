#!/usr/bin/python3
"""The strictness cases beside and behind nginx, HAProxy, Apache and lighttpd.

    run.py SERVER [--only nginx,haproxy] [--mutations N] [--seed N]

Alone: each answers the same bytes; its verdict is held against the case's. Printed are a table and, for
each case that MUST be refused, who accepts it.

In front: each proxies to a server of its own (http_strict_server) over kept connections and puts its
mark, X-Via, into every request it knows of. A disagreement that an attacker could use is
  - a request that the server sees without the mark: the proxy did not know it was one;
  - a mark seen twice: two requests that the proxy thought were one;
  - an answer on the attacker's connection that is not the next request's own;
  - a visitor who comes next, over the same kept connection, and does not get his own answer.
Any one of them makes the run fail. All processes listen on loopback ports that the kernel chose.
"""
import argparse
import collections
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "strict"))
import cases  # noqa: E402
import te_mutations  # noqa: E402
from configs import PROXIES  # noqa: E402
from run import te_case  # noqa: E402
from talk import Server, fields, talk  # noqa: E402

LAST = b"GET /last HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n"
SILENCE = 1.5  # seconds without an answer: it waits for more
REFUSALS = {400, 405, 408, 411, 413, 414, 417, 421, 431, 494, 500, 501, 502, 503, 504, 505}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """One of the four, with a folder and a configuration of its own."""

    def __init__(self, name, upstream=None):
        kind = PROXIES[name]
        self.dir, self.port = pathlib.Path(tempfile.mkdtemp(prefix=f"pando-{name}-")), free_port()
        self.dir.chmod(0o755)
        (self.dir / "index.html").write_text("hello\n")
        config = self.dir / "conf"
        config.write_text((kind.front if upstream else kind.alone).format(
            dir=self.dir, port=self.port, upstream=upstream))
        argv = [a.format(dir=self.dir, conf=config) for a in kind.argv]
        self.process = subprocess.Popen(argv, stdout=open(self.dir / "out", "w"), stderr=subprocess.STDOUT)
        for _ in range(500):
            if self.process.poll() is not None:
                raise SystemExit(f"{name} did not start:\n{(self.dir / 'out').read_text()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"{name} does not listen")

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def say(address, case):
    heads = [one["method"] == b"HEAD" for one in case.seen]
    return talk(address, [case.raw + LAST], heads, timeout=SILENCE)


# --- alone ---------------------------------------------------------------------------------------


def verdict(case, t):
    """"as here", "looser", "stricter" or "otherwise": the server's verdict held against ours."""
    served = 0
    while served < len(t.statuses) and t.statuses[served] not in REFUSALS:
        served += 1
    refused = served < len(t.statuses) or not t.statuses
    want = len(case.seen) + (case.end == "keep")
    if case.end == "wait":
        return "as here" if served == len(case.seen) else "looser" if served > len(case.seen) else "stricter"
    if served == want and refused == (case.end == "reject"):
        return "as here"
    if case.end == "reject":
        return "looser" if served > want or not refused else "otherwise"
    return "looser" if served > want else "stricter" if refused else "otherwise"


def run_alone(name, all_cases, results):
    p = Process(name)
    try:
        results[name] = {c.id: verdict(c, say(p.address, c)) for c in all_cases}
    finally:
        p.stop()


# --- in front --------------------------------------------------------------------------------------


def disagreement(name, case, address, server, number):
    """What an attacker could use; "" if nothing."""
    t = say(address, case)
    visitor = f"/visitor-{number}".encode()
    ask = b"GET " + visitor + b" HTTP/1.1\r\nHost: visitor\r\nConnection: close\r\n\r\n"
    v = talk(address, [ask], timeout=10)
    seen = server.seen()
    marks = [s["via"] for s in seen]
    if any(not m.startswith(name.encode()) for m in marks):
        return f"a request without the proxy's mark: {[s['target'][:40] for s in seen]} {marks}"
    if name != "lighttpd" and len(set(marks)) < len(marks):  # it has no variable to make marks differ
        return f"two requests with one mark: {marks}"
    mine = [s for s in seen if s["target"] != visitor]
    echoes = [fields(b.strip()) for b in t.bodies if b.startswith(b"method=")]
    for have, want in zip(echoes, (s for s in mine if s["method"] != b"HEAD")):
        if have["via"] != want["via"]:
            return f"answers in another order: {have} for {want}"
    if v.statuses[:1] != [200] or fields(v.bodies[0].strip())["target"] != visitor:
        return f"the next visitor got {v.statuses} {v.bodies[:1]} {v.error}"
    return ""


def run_front(name, program, all_cases, results):
    server = Server(program)
    p = Process(name, server.address[1])
    try:
        found = {}
        for number, c in enumerate(all_cases):
            said = disagreement(name, c, p.address, server, number)
            if said:
                found[c.id] = said
        results[name] = found
    finally:
        p.stop()
        server.stop()


# --- both ------------------------------------------------------------------------------------------


def side_by_side(names, work):
    """work(name, results) for all of them at the same time."""
    results = {}
    threads = [threading.Thread(target=work, args=(n, results)) for n in names]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    missing = [n for n in names if n not in results]
    if missing:
        raise SystemExit(f"no result for {missing}")
    return results


def group(case):
    return "mutations" if case.id.startswith("te-mutation") else case.where.split(".")[0]


def table(names, all_cases, results):
    groups = collections.Counter(group(c) for c in all_cases)
    print("| cases | number | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    for g, n in groups.items():
        cells = []
        for name in names:
            counts = collections.Counter(results[name][c.id] for c in all_cases if group(c) == g)
            cells.append(" / ".join(str(counts[k]) for k in ("looser", "stricter", "otherwise")))
        print(f"| {g} | {n} | " + " | ".join(cells) + " |")


def looser_list(names, all_cases, results):
    for c in all_cases:
        who = [n for n in names if results[n][c.id] == "looser"]
        if who and c.level == "MUST" and c.end == "reject" and group(c) != "mutations":
            print(f"| {c.id} | {c.source} | {c.reason} | {', '.join(who)} |")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("server")
    p.add_argument("--only", default=",".join(PROXIES))
    p.add_argument("--mutations", type=int, default=500)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    names = o.only.split(",")
    absent = [n for n in names if not shutil.which(PROXIES[n].argv[0])]
    if absent:
        print(f"not installed: {absent}")
        return 77
    all_cases = cases.read_all()
    all_cases += [te_case(i, *m) for i, m in enumerate(te_mutations.mutations(o.mutations, o.seed))]
    alone = side_by_side(names, lambda n, r: run_alone(n, all_cases, r))
    print("Verdicts that differ from the case's, alone: looser / stricter / otherwise\n")
    table(names, all_cases, alone)
    print("\nMUST be refused and is not\n\n| case | source | reason | accepted by |\n|---|---|---|---|")
    looser_list(names, all_cases, alone)
    front = side_by_side(names, lambda n, r: run_front(n, o.server, all_cases, r))
    print("\nIn front: disagreements that an attacker could use\n")
    for name in names:
        print(f"{name}: {len(front[name])} of {len(all_cases)}")
        for case, said in front[name].items():
            print(f"    {case}: {said[:400]}")
    return any(front.values())


if __name__ == "__main__":
    sys.exit(main())
