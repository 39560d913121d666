#!/usr/bin/python3
"""pando beside nginx and Kore, in one run: who needs how much CPU for a request.

    bench/http/run.py BUILD_DIR [--seconds 1] [--rounds 12] [--layer] [--only plain64,pipe16]

One worker each; server and wrk share one CPU (the steadier layout: see docs), so req/s is the
throughput of that CPU for both. All servers of a case stay up, and are asked in turn, for a second
each, again and again: whatever else the machine does meets all of them. req/s is the median of the
rounds and its ratio the median of the rounds' ratios. User and system microseconds per request are
the sums of all rounds (/proc, of the server's process tree): the kernel splits them by sampling, so
a few seconds tell little. "wrk us" is the client's CPU time; with the server's it is what a request costs the
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
CASES = {  # name: path, connections, pipelined
    "plain64": ("/plaintext", 64, 1),
    "plain256": ("/plaintext", 256, 1),
    "json64": ("/json", 64, 1),
    "json256": ("/json", 256, 1),
    "pipe16": ("/plaintext", 64, 16),
}
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
    command = ["taskset", "-c", str(CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
               "-H", ACCEPT, "-H", "Connection: keep-alive"]
    url = f"http://127.0.0.1:{port}{path}"
    if depth > 1:
        command += ["-s", str(HERE / "pipeline.lua"), url, "--", str(depth)]
    else:
        command += [url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        print(out, file=sys.stderr)
    return int(re.search(r"(\d+) requests in", out).group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def cpu_of_ended():
    """Seconds of all children that have ended: of wrk, while the servers stay up."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Result:
    """Of one server in one case: sums over the rounds, and the rate of each."""

    def __init__(self):
        self.requests, self.user_s, self.system_s, self.client_s, self.rates, self.between = 0, 0, 0, 0, [], None

    def add(self, server, case, seconds):
        before, client = cpu(server.process.pid), cpu_of_ended()
        requests, rate = wrk(server.port, *CASES[case], seconds)
        self.client_s += cpu_of_ended() - client
        user, system = (b - a for a, b in zip(before, cpu(server.process.pid)))
        self.requests, self.user_s, self.system_s = self.requests + requests, self.user_s + user, self.system_s + system
        self.rates.append(rate)

    def rate(self):
        return statistics.median(self.rates)

    def rate_of(self, other):
        return statistics.median(a / b for a, b in zip(self.rates, other.rates))

    def user(self):
        return max(self.user_s * 1e6 / self.requests, 1e-9)

    def system(self):
        return self.system_s * 1e6 / self.requests

    def cpu(self):
        return self.user() + self.system()

    def client(self):
        return self.client_s * 1e6 / self.requests

    def both(self):
        """What wrk and the server need for a request: on a CPU of their own, its throughput is the inverse."""
        return self.cpu() + self.client()


def between(server, case, library, out):
    """User microseconds per request between system calls; None if the server does not let itself be measured."""
    env = server.env
    server.env = {**env, "LD_PRELOAD": str(library), "BETWEEN_OUT": str(out)}
    with server as s:
        requests, _ = wrk(s.port, *CASES[case], 2)
    server.env = env
    try:
        us, calls = map(float, out.read_text().split())
    except OSError:
        return None
    return us / requests if calls * CASES[case][2] > requests else None  # else it was the parent's


def measure(servers, case, args, work):
    """name -> Result"""
    results = {s.name: Result() for s in servers}
    with contextlib.ExitStack() as running:
        for s in servers:
            running.enter_context(s)
            wrk(s.port, *CASES[case], 1)
        for _ in range(args.rounds):
            for s in servers:
                results[s.name].add(s, case, args.seconds)
    library = pathlib.Path(args.build).resolve() / "bench/http/between.so"
    for s in servers:
        if library.exists():
            results[s.name].between = between(s, case, library, work / f"between-{case}-{s.name}")
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
        while not got.endswith(b"World!"):
            got += c.recv(4096)
    return got


def bare(name, build, like, work):
    """Answers /plaintext as `like` does."""
    port, path = peers.free_port(), work / f"answer-{name}"
    path.write_bytes(answer(like, "/plaintext"))
    return peers.Server(name, [str(pathlib.Path(build).resolve() / "bench/http/bare"), str(port), str(path)], port, CPU)


def asked(server, case):
    """Kore does not take pipelined requests; bare has one answer."""
    path, _, depth = CASES[case]
    return not (server.name == "kore" and depth > 1) and (not server.name.startswith("bare") or path == "/plaintext")


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
            found.append(bare(name, args.build, likes[like], work))
    return found


def show(case, results):
    ours = results["pando"]
    for name, r in results.items():
        exact = f"{r.between:9.2f}" if r.between else f"{'':9}"
        ratio = "" if r is ours else f"   {ours.rate_of(r):5.2f} x  {ours.user() / r.user():5.2f} x"
        if r is not ours and r.between and ours.between:
            ratio += f"  {ours.between / r.between:5.2f} x"
        print(f"{case:10}{name:8}{r.rate():12,.0f}{r.user():9.2f}{r.system():9.2f}{r.client():9.2f}{exact}{ratio}", flush=True)


def mark(what, value, limit, good, beside=""):
    print(f"  {what:62}{value:6.2f}  mark {limit:g}: {'reached' if good else 'MISSED'}{beside}")


def show_user_marks(found, case, limit):
    """`found`: name -> Result. User CPU of a request, of that of the peer that does the same work."""
    ours, peer, less = found["pando"], found["nginx="], found["nginx"]
    value = ours.user() / peer.user()
    mark(f"{case}: user CPU of a request, of that of nginx=", value, limit, value <= limit,
         f" ({ours.user() / less.user():.2f} of nginx, which sends less)")
    if ours.between and peer.between:
        value = ours.between / peer.between
        mark(f"{case}: the same, measured between system calls", value, limit, value <= limit,
             f" ({ours.between / less.between:.2f})" if less.between else "")


def show_many_marks(seen, few, many):
    value = seen[many]["pando"].cpu() / max(seen[few]["pando"].cpu(), 1e-9)
    mark(f"{many}: user and system CPU of a request, of {few}'s", value, 1.05, value <= 1.05)
    for name in "pando", "nginx=":  # a machine's noise is in both, a server's loss in one
        if name in seen[few]:
            a, b = seen[few][name], seen[many][name]
            print(f"      {name}: requests per second {b.rate() / a.rate():.2f}, CPU of a request {b.cpu() / a.cpu():.2f}, of {few}'s")


def pipelined(ours, peer):
    """Ratios: requests per second; the CPU time of server and wrk; the server's alone."""
    return ours.rate_of(peer), peer.both() / ours.both(), peer.cpu() / ours.cpu()


def show_beside(found, name, peer, what):
    print("      {} of {}, {}: {:.2f}; {:.2f}; {:.2f}".format(name, peer, what, *pipelined(found[name], found[peer])))


# The mark of 5 times nginx was set where a server that only answers had 6.9 times. Where wrk, which shares the CPU, needs
# more of it than a fifth of what nginx and wrk need together, no server has 5; what can be had of all that there is, is the same.
OF_ALL = 0.72


def show_pipelined_marks(found):
    ours, peer = found["pando"], found["nginx="]
    for what, value in zip(("requests per second", "the same of the CPU time of server and wrk",
                            "the same of the server's CPU time"), pipelined(ours, peer)):
        mark(f"pipe16: {what}, of nginx=", value, 5, value >= 5)
    most = found.get("bare=")
    if most:
        value = ours.rate_of(most)
        mark("pipe16: requests per second, of a server that only answers", value, OF_ALL, value >= OF_ALL)
    print(f"      of a request's {ours.both():.2f} us {ours.cpu():.2f} are pando's, the rest is wrk's; nginx= needs {peer.cpu():.2f}")
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
    if "nginx=" in seen.get("pipe16", {}):
        show_pipelined_marks(seen["pipe16"])
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=1, help="of a slice")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--layer", action="store_true", help="the http layer alone")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--no-idle", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        work = pathlib.Path(tmp)
        work.chmod(0o777)
        found = servers(args, work)
        print("pando: " + ("the http layer alone, no router, metrics or access log" if args.layer else
                           "router, fibers, metrics and access log on"))
        print(f"server and wrk on CPU {CPU}; {args.rounds} rounds of {args.seconds} s\n")
        print(f"{'case':10}{'server':8}{'req/s':>12}{'user us':>9}{'sys us':>9}{'wrk us':>9}{'between':>9}   pando's ratio: req/s, user, between")
        seen = {}
        for case in args.only.split(","):
            seen[case] = measure([s for s in found if asked(s, case)], case, args, work)
            show(case, seen[case])
        if not args.layer:
            show_marks(seen)
        if not args.no_idle:
            show_idle(found)


if __name__ == "__main__":
    main()
