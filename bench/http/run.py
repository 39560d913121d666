#!/usr/bin/python3
"""pando beside nginx and Kore, in one run: who needs how much CPU for a request.

    bench/http/run.py BUILD_DIR [--seconds 1] [--rounds 12] [--layer] [--only plain64,pipe16]

One worker each; server and client share one CPU (the steadier layout: see docs), so req/s is the
throughput of that CPU for both. All servers of a case stay up, and are asked in turn, for a second
each, again and again: whatever else the machine does meets all of them. req/s is the median of the
rounds and its ratio the median of the rounds' ratios. User and system microseconds per request are
the sums of all rounds (/proc, of the server's process tree): the kernel splits them by sampling, so
a few seconds tell little. "client us" is the client's CPU time; with the server's it is what a request costs the
CPU they share, however many others want it, too. "between" is user time measured exactly, if a little differently (see
between.c), in a run of its own.

pando is bench/http/pando_app: router, fibers, metrics and a buffered access log; `--layer` measures
the http layer alone instead (pando_http). nginx answers from its configuration, with an access log, too.

The marks compare the same work: pando with "nginx=", which sends the header lines that pando sends, an id
made for each request among them. "nginx" sends none of them, a third of pando's bytes: those ratios stand beside
the marks. "pando=" leaves the security lines to a proxy (SECURITY_HEADERS), and so sends what "nginx" does,
Cache-Control and the request's id. "bare" is a loop that reads, counts heads and writes nginx's answer,
"bare=" pando's: what any server could reach where the client has its share of the CPU.

nginx is to be as fast as its configuration lets it (instructions of a pipelined request in all, counted
with callgrind: 19,400 with $request_id, 13,000 as it is here):
  - its id is made of counters, as pando's is; $request_id draws random bytes from OpenSSL for each request
  - a request's pool and the header buffer are large enough: no second allocation, one recv for 16 requests
  - the log is its "combined", which is a little cheaper than a format with pando's fields, 64 KiB buffered
multi_accept, timer_resolution and larger log buffers change nothing. Both logs go to /dev/null: no disk is measured.
Of the answer only "Server: nginx" and "Connection: keep-alive" cannot be left out; wrk reads these 39 bytes, too.

The client is wrk, but for pipelined requests: for one of those wrk needs more CPU than any server but nginx, and so
mostly measures itself. "pipe16" asks with ask.c, which costs less; "wrk16" is the same with wrk, to compare.

The last table is memory: 10,000 idle connections. Then the marks are printed; missing one does not fail the run,
because a busy machine misses them. count.py counts instructions, which no machine changes.
"""
import argparse
import contextlib
import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402
from peers import children, cpu  # noqa: E402

CPU = max(os.sched_getaffinity(0))
ACCEPT = "Accept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,*/*;q=0.7"
CASES = {  # name: path, connections, pipelined, client
    "plain64": ("/plaintext", 64, 1, "wrk"),
    "plain256": ("/plaintext", 256, 1, "wrk"),
    "json64": ("/json", 64, 1, "wrk"),
    "json256": ("/json", 256, 1, "wrk"),
    "pipe16": ("/plaintext", 64, 16, "ask"),
    "wrk16": ("/plaintext", 64, 16, "wrk"),
}
TOGETHER = ("plain64", "plain256"), ("json64", "json256")  # compared with each other: measured in the same rounds
NGINX = """
worker_processes 1; daemon off; env BETWEEN_OUT; pid {dir}/pid; error_log {dir}/error crit;
events {{ worker_connections 20000; }}
http {{ access_log /dev/null combined buffer=64k; keepalive_requests 100000000; keepalive_timeout 600;
  server_tokens off; client_header_buffer_size 4k; request_pool_size 8k;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{ listen 127.0.0.1:{port} backlog=4096 reuseport;
    location = /plaintext {{ default_type text/plain; return 200 "Hello, World!"; }}
    location = /json {{ default_type application/json; return 200 '{{"message":"Hello, World!"}}'; }}
    {lines} }} }}
"""
SAME_LINES = """
    add_header Cache-Control no-cache;
    add_header X-Request-Id $pid-$connection-$connection_requests;
    add_header Content-Security-Policy "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    add_header X-Content-Type-Options nosniff;
    add_header Referrer-Policy same-origin;
    add_header Cross-Origin-Opener-Policy same-origin;
    add_header Cross-Origin-Resource-Policy same-origin;
    add_header Strict-Transport-Security "max-age=31536000; includeSubDomains";
"""
KORE_C = """
#include <kore/kore.h>
#include <kore/http.h>
int plain(struct http_request *); int json(struct http_request *);
int plain(struct http_request *r) { http_response_header(r, "content-type", "text/plain"); http_response(r, 200, "Hello, World!", 13); return KORE_RESULT_OK; }
int json(struct http_request *r) { http_response_header(r, "content-type", "application/json"); http_response(r, 200, "{\\"message\\":\\"Hello, World!\\"}", 27); return KORE_RESULT_OK; }
"""
KORE_CONF = """
server bench {{
  bind 127.0.0.1 {port}
  tls no
}}
load {dir}/bench.so
workers 1
worker_max_connections 20000
worker_rlimit_nofiles 20000
worker_set_affinity 0
http_request_limit 10000
http_keepalive_time 600
domain * {{
  attach bench
  route /plaintext plain
  route /json json
}}
"""


def pss(pid):
    total = 0
    for p in children(pid):
        text = pathlib.Path(f"/proc/{p}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) * 1024
    return total


def wrk(port, path, connections, depth, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", ACCEPT, "-H", "Connection: keep-alive"]
    url = f"http://127.0.0.1:{port}{path}"
    return command + (["-s", str(HERE / "pipeline.lua"), url, "--", str(depth)] if depth > 1 else [url])


def load(build, port, path, connections, depth, client, seconds):
    """Requests answered, and per second."""
    command = wrk(port, path, connections, depth, seconds) if client == "wrk" else \
        [str(pathlib.Path(build).resolve() / "bench/http/ask"), *map(str, (port, path, connections, depth, seconds))]
    out = subprocess.run(["taskset", "-c", str(CPU), *command], stdout=subprocess.PIPE, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        print(out, file=sys.stderr)
    return int(re.search(r"(\d+) requests in", out).group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def cpu_of_ended():
    """Seconds of all children that have ended: of clients, while the servers stay up."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Result:
    """Of one server in one case: sums over the rounds, and the rate of each."""

    def __init__(self):
        self.requests, self.user_s, self.system_s, self.client_s, self.between = 0, 0, 0, 0, None
        self.rates, self.costs = [], []  # of the rounds: requests per second, the server's microseconds for one

    def add(self, server, case, args):
        before, client = cpu(server.process.pid), cpu_of_ended()
        requests, rate = load(args.build, server.port, *CASES[case], args.seconds)
        self.client_s += cpu_of_ended() - client
        user, system = (b - a for a, b in zip(before, cpu(server.process.pid)))
        self.requests, self.user_s, self.system_s = self.requests + requests, self.user_s + user, self.system_s + system
        self.rates.append(rate)
        self.costs.append((user + system) * 1e6 / requests)

    def rate(self):
        return statistics.median(self.rates)

    def rate_of(self, other):
        return statistics.median(a / b for a, b in zip(self.rates, other.rates))

    def costs_of(self, other):
        """Of each round the ratio."""
        return [a / max(b, 1e-9) for a, b in zip(self.costs, other.costs)]

    def user(self):
        return max(self.user_s * 1e6 / self.requests, 1e-9)

    def system(self):
        return self.system_s * 1e6 / self.requests

    def cpu(self):
        return self.user() + self.system()

    def client(self):
        return self.client_s * 1e6 / self.requests

    def both(self):
        """What client and server need for a request: on a CPU of their own, its throughput is the inverse."""
        return self.cpu() + self.client()


def measure(servers, cases, args):
    """case -> name -> Result. All cases of a server are asked one behind the other, so that what happens to the machine meets all."""
    results = {case: {s.name: Result() for s in servers if asked(s, case)} for case in cases}
    with contextlib.ExitStack() as running:
        for s in servers:
            running.enter_context(s)
            load(args.build, s.port, *CASES[cases[0]], 1)
        for _ in range(args.rounds):
            for s in servers:
                for case in cases:
                    results[case][s.name].add(s, case, args)
    for case in cases:
        for s in servers:
            results[case][s.name].between = peers.between(s, args.build, lambda: load(args.build, s.port, *CASES[case], 2)[0],
                                                          CASES[case][2])
    return results


def idle(server, connections=10000):
    with server as s:
        before = pss(s.process.pid)
        open_ = []
        for _ in range(connections):
            c = socket.create_connection(("127.0.0.1", s.port), 5)
            c.sendall(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
            c.recv(1000)
            open_.append(c)
        time.sleep(0.5)
        after = pss(s.process.pid)
        for c in open_:
            c.close()
    return before, (after - before) / connections


def pando(build, folder, layer=False, name="pando", **settings):
    folder_of, port = pathlib.Path(build).resolve() / "bench/http", peers.free_port()
    env = {"PORT": str(port), "HOST": "127.0.0.1", "PANDO_ENV": "production", "SECRET_KEY": "1" * 64,
           "THREADS": "1", "ACCESS_LOG": "on", **settings}
    if layer:
        return peers.Server("pando", [str(folder_of / "pando_http"), str(port)], port, CPU)
    return peers.Server(name, [str(folder_of / "pando_app"), "serve"], port, CPU, folder, env)


def nginx(name, lines, work):
    folder, port = work / name, peers.free_port()
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "conf").write_text(NGINX.format(dir=folder, port=port, lines=lines))
    return peers.Server(name, ["nginx", "-c", str(folder / "conf")], port, CPU)


def kore(work):
    port = peers.free_port()
    (work / "bench.c").write_text(KORE_C)
    (work / "kore.conf").write_text(KORE_CONF.format(dir=work, port=port))
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-o", str(work / "bench.so"), str(work / "bench.c")], check=True)
    return peers.Server("kore", ["kore", "-fnrc", str(work / "kore.conf")], port, CPU)


def answer(server, path):
    """The bytes with which it answers a request."""
    got = b""
    with server, socket.create_connection(("127.0.0.1", server.port), 5) as c:
        c.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while b"World!" not in got or path == "/json" and not got.endswith(b"}"):
            got += c.recv(4096)
    return got


def bare(name, build, like, path, work):
    """Answers every path as `like` does this one."""
    port, file = peers.free_port(), work / f"answer-{name}{path.replace('/', '-')}"
    file.write_bytes(answer(like, path))
    server = peers.Server(name, [str(pathlib.Path(build).resolve() / "bench/http/bare"), str(port), str(file)], port, CPU)
    server.path = path
    return server


def asked(server, case):
    """Kore does not take pipelined requests; a bare server has one answer."""
    path, _, depth, _ = CASES[case]
    return not (server.name == "kore" and depth > 1) and getattr(server, "path", path) == path


def servers(args, work):
    found = [pando(args.build, work, args.layer)]
    if not args.layer:
        found.append(pando(args.build, work, name="pando=", SECURITY_HEADERS="proxy", TRUSTED_PROXIES="127.0.0.1"))
    if shutil.which("nginx"):
        found += [nginx("nginx", "", work), nginx("nginx=", SAME_LINES, work)]
    else:
        print("nginx is not installed: left out")
    if shutil.which("kore"):
        found.append(kore(work))
    else:
        print("kore is not installed: left out")
    likes = {s.name: s for s in found}
    for name, like in ("bare", "nginx"), ("bare=", "pando"):
        if like in likes:
            found += [bare(name, args.build, likes[like], path, work) for path in ("/plaintext", "/json")]
    return [s for s in found if not args.servers or s.name in args.servers.split(",")]


def show(case, results):
    ours = results.get("pando")
    for name, r in results.items():
        exact = f"{r.between:9.2f}" if r.between else f"{'':9}"
        ratio = "" if r is ours or not ours else f"   {ours.rate_of(r):5.2f} x  {ours.user() / r.user():5.2f} x"
        if ratio and r.between and ours.between:
            ratio += f"  {ours.between / r.between:5.2f} x"
        print(f"{case:10}{name:8}{r.rate():12,.0f}{r.user():9.2f}{r.system():9.2f}{r.client():10.2f}{exact}{ratio}", flush=True)


def middle(values):
    """From the first to the third quarter."""
    quarters = statistics.quantiles(values) if len(values) > 1 else [values[0]] * 3
    return f"{quarters[0]:.2f} to {quarters[2]:.2f}"


def mark(what, value, limit, good, beside=""):
    print(f"  {what:62}{value:6.2f}  mark {limit:g}: {'reached' if good else 'MISSED'}{beside}")


def show_user_marks(found, case, limit):
    """`found`: name -> Result. User CPU of a request, of that of the peer that does the same work."""
    ours, peer, less = found["pando"], found["nginx="], found.get("nginx")
    value = ours.user() / peer.user()
    mark(f"{case}: user CPU of a request, of that of nginx=", value, limit, value <= limit,
         f" ({ours.user() / less.user():.2f} of nginx, which sends less)" if less else "")
    if ours.between and peer.between:
        value = ours.between / peer.between
        mark(f"{case}: the same, measured between system calls", value, limit, value <= limit,
             f" ({ours.between / less.between:.2f})" if less and less.between else "")


def show_many_marks(seen, few, many):
    ratios = seen[many]["pando"].costs_of(seen[few]["pando"])
    value, least = statistics.median(ratios), seen[many].get("bare=")
    mark(f"{many}: user and system CPU of a request, of {few}'s", value, 1.05, value <= 1.05, f" (middle half {middle(ratios)})")
    if least:  # the kernel's part of a connection is in it, too
        value /= statistics.median(least.costs_of(seen[few]["bare="]))
        mark(f"{many}: the same, of what a server that only answers has there", value, 1.05, value <= 1.05)
    for name in "pando", "nginx=", "bare=":
        if name in seen[few]:
            a, b = seen[few][name], seen[many][name]
            print(f"      {name}: requests per second {b.rate_of(a):.2f}, CPU of a request {statistics.median(b.costs_of(a)):.2f}, of {few}'s")


def pipelined(ours, peer):
    """Ratios: requests per second; the CPU time of server and client; the server's alone."""
    return ours.rate_of(peer), peer.both() / ours.both(), peer.cpu() / ours.cpu()


def show_beside(found, name, peer, what):
    if name not in found or peer not in found:
        return
    print("      {} of {}, {}: {:.2f}; {:.2f}; {:.2f}".format(name, peer, what, *pipelined(found[name], found[peer])))


# Where the mark of 5 times nginx was taken, a server that only answers had 6.9 times. With wrk, which here needs more than
# a fifth of what nginx and wrk need together, no server has 5; what can be had of all that there is, is the same.
OF_ALL = 0.72


def show_pipelined_marks(case, found):
    ours, peer, most = found["pando"], found["nginx="], found.get("bare=")
    client = CASES[case][3]
    if client == "ask":
        for what, value in zip(("requests per second", "the same of the CPU time of server and client"), pipelined(ours, peer)):
            mark(f"{case}: {what}, of nginx=", value, 5, value >= 5)
    else:
        print("  {}: requests per second, of nginx=; CPU time of server and wrk; server's: {:.2f}; {:.2f}; {:.2f}".format(
            case, *pipelined(ours, peer)))
    if most:
        value = ours.rate_of(most)
        mark(f"{case}: requests per second, of a server that only answers", value, OF_ALL, value >= OF_ALL)
    print(f"      of a request's {ours.both():.2f} us {ours.cpu():.2f} are pando's, the rest is the client's; nginx= needs {peer.cpu():.2f}")
    show_beside(found, "pando", "nginx", "which sends a third of the bytes")
    show_beside(found, "pando=", "nginx", "both without security lines")
    for name, like in ("bare=", "nginx="), ("bare", "nginx"):
        show_beside(found, name, like, "and does nothing but answer")


def show_marks(seen):
    """seen: case -> name -> Result"""
    print("\nmarks: against nginx=, which does the same work")
    for case, limit in ("plain64", 0.5), ("json64", 0.6):
        if "nginx=" in seen.get(case, {}):
            show_user_marks(seen[case], case, limit)
    for case in "pipe16", "wrk16":
        if "nginx=" in seen.get(case, {}):
            show_pipelined_marks(case, seen[case])
    for case in "plain", "json":
        if f"{case}64" in seen and f"{case}256" in seen:
            show_many_marks(seen, f"{case}64", f"{case}256")


def show_idle(found):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 30000), hard))
    print(f"\n{'idle':10}{'server':8}{'empty MiB':>12}{'bytes per connection (10,000)':>32}")
    for s in found:
        try:
            base, each = idle(s)
        except OSError as error:
            print(f"{'':10}{s.name:8}  not measured: {error}")
            continue
        print(f"{'':10}{s.name:8}{base / 2**20:12.1f}{each:32,.0f}", flush=True)


def in_groups(cases):
    """Those measured in the same rounds."""
    for case in cases:
        group = next((g for g in TOGETHER if case in g and set(g) <= set(cases)), (case,))
        if case == group[0]:
            yield group


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=1, help="of a slice")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--layer", action="store_true", help="the http layer alone")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--servers", default="", help="those alone: pando,nginx=")
    parser.add_argument("--no-idle", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        work = pathlib.Path(tmp)
        work.chmod(0o777)
        found = servers(args, work)
        print("pando: " + ("the http layer alone, no router, metrics or access log" if args.layer else
                           "router, fibers, metrics and access log on"))
        print(f"server and client on CPU {CPU}; {args.rounds} rounds of {args.seconds} s\n")
        print(f"{'case':10}{'server':8}{'req/s':>12}{'user us':>9}{'sys us':>9}{'client us':>10}{'between':>9}   pando's ratio: req/s, user, between")
        seen = {}
        for cases in in_groups(args.only.split(",")):
            seen.update(measure([s for s in found if asked(s, cases[0])], cases, args))
            for case in cases:
                show(case, seen[case])
        if not args.layer and all("pando" in results for results in seen.values()):
            show_marks(seen)
        if not args.no_idle:
            show_idle(found)


if __name__ == "__main__":
    main()
