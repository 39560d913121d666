#!/usr/bin/python3
"""pando beside nginx and Kore, in one run: who needs how much CPU for a request.

    bench/http/run.py BUILD_DIR [--seconds 3] [--rounds 3] [--layer] [--only plain64,pipe16]

One worker each; server and wrk share one CPU (the steadier layout: see docs), so req/s is the
throughput of that CPU for both. User and system microseconds per request are those of the server's
process tree (/proc, before and after). Rounds alternate over the servers; medians are printed, and
pando's ratio to each. That nothing is lost between 64 and 256 connections is judged by the CPU of a
request, which a busy machine changes less than requests per second. pando is bench/http/pando_app: router, fibers, metrics and a
buffered access log; `--layer` measures the http layer alone instead (pando_http). nginx answers from
its configuration; "nginx=" does so with the header lines that pando sends, so that both write (and
wrk reads) as many bytes. The last table is memory: 10,000 idle connections. Then the marks are
printed; missing one does not fail the run, because a busy machine misses them.
"""
import argparse
import os
import pathlib
import re
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
PORT = peers.free_port()
CASES = {  # name: path, connections, pipelined
    "plain64": ("/plaintext", 64, 1),
    "plain256": ("/plaintext", 256, 1),
    "json64": ("/json", 64, 1),
    "json256": ("/json", 256, 1),
    "pipe16": ("/plaintext", 64, 16),
}
NGINX = """
worker_processes 1; daemon off; pid {dir}/pid; error_log {dir}/error crit;
events {{ worker_connections 20000; }}
http {{ access_log {dir}/access combined buffer=64k; keepalive_requests 100000000; keepalive_timeout 600;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{ listen 127.0.0.1:{port} backlog=4096 reuseport;
    location = /plaintext {{ default_type text/plain; return 200 "Hello, World!"; }}
    location = /json {{ default_type application/json; return 200 '{{"message":"Hello, World!"}}'; }}
    {lines} }} }}
"""
SAME_LINES = """
    add_header Cache-Control no-cache;
    add_header X-Request-Id $request_id;
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


def Server(name, command, cwd=None, env=None):
    return peers.Server(name, command, PORT, CPU, cwd, env)


def wrk(path, connections, depth, seconds):
    command = ["taskset", "-c", str(CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
               "-H", "Accept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,*/*;q=0.7",
               "-H", "Connection: keep-alive"]
    url = f"http://127.0.0.1:{PORT}{path}"
    if depth > 1:
        command += ["-s", str(HERE / "pipeline.lua"), url, "--", str(depth)]
    else:
        command += [url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        print(out, file=sys.stderr)
    return int(re.search(r"(\d+) requests in", out).group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def measure(server, case, seconds):
    path, connections, depth = CASES[case]
    with server as s:
        wrk(path, connections, depth, 1)
        before = cpu(s.process.pid)
        requests, rate = wrk(path, connections, depth, seconds)
        after = cpu(s.process.pid)
    return rate, *((after[i] - before[i]) * 1e6 / requests for i in (0, 1))


def idle(server, connections=10000):
    with server as s:
        before = pss(s.process.pid)
        open_ = []
        for _ in range(connections):
            c = socket.create_connection(("127.0.0.1", PORT), 5)
            c.sendall(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
            c.recv(1000)
            open_.append(c)
        time.sleep(0.5)
        after = pss(s.process.pid)
        for c in open_:
            c.close()
    return before, (after - before) / connections


def pando(build, folder, layer=False):
    folder_of = pathlib.Path(build).resolve() / "bench/http"
    env = {"PORT": str(PORT), "HOST": "127.0.0.1", "PANDO_ENV": "production", "SECRET_KEY": "1" * 64,
           "THREADS": "1", "ACCESS_LOG": "on"}
    if layer:
        return Server("pando", [str(folder_of / "pando_http"), str(PORT)])
    return Server("pando", [str(folder_of / "pando_app"), "serve"], cwd=folder, env=env)


def servers(args, work):
    found = [pando(args.build, work, args.layer)]
    if shutil.which("nginx"):
        for name, lines in ("nginx", ""), ("nginx=", SAME_LINES):
            (work / f"{name}.conf").write_text(NGINX.format(dir=work, port=PORT, lines=lines))
            found.append(Server(name, ["nginx", "-c", str(work / f"{name}.conf")]))
    else:
        print("nginx is not installed: left out")
    if shutil.which("kore"):
        (work / "bench.c").write_text(KORE_C)
        (work / "kore.conf").write_text(KORE_CONF.format(dir=work, port=PORT))
        subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-o", str(work / "bench.so"), str(work / "bench.c")], check=True)
        found.append(Server("kore", ["kore", "-fnrc", str(work / "kore.conf")]))
    else:
        print("kore is not installed: left out")
    return found


def show_marks(results):
    """results: (case, server) -> req/s, user us, system us."""
    def mark(what, value, limit, good):
        print(f"  {what:62}{value:6.2f}  mark {limit:g}: {'reached' if good else 'MISSED'}")

    def cpu(medians):
        return medians[1] + medians[2]

    print("\nmarks")
    for case, limit in ("plain64", 0.5), ("json64", 0.6):
        if (case, "nginx") in results:
            value = results[case, "pando"][1] / max(results[case, "nginx"][1], 1e-9)
            mark(f"{case}: user CPU of a request, of nginx's", value, limit, value <= limit)
    if ("pipe16", "nginx") in results:
        value = results["pipe16", "pando"][0] / results["pipe16", "nginx"][0]
        mark("pipe16: requests per second, of nginx's", value, 5, value >= 5)
    for case in "plain", "json":
        few, many = case + "64", case + "256"
        if (few, "pando") not in results or (many, "pando") not in results:
            continue
        value = cpu(results[many, "pando"]) / max(cpu(results[few, "pando"]), 1e-9)
        mark(f"{many}: user and system CPU of a request, of {few}'s", value, 1.05, value <= 1.05)
        for name in "pando", "nginx":  # a machine's noise is in both, a server's loss in one
            if (few, name) in results:
                rate = results[many, name][0] / results[few, name][0]
                own = cpu(results[many, name]) / max(cpu(results[few, name]), 1e-9)
                print(f"      {name}: requests per second {rate:.2f}, CPU of a request {own:.2f}, of {few}'s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layer", action="store_true", help="the http layer alone")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--no-idle", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        work = pathlib.Path(tmp)
        work.chmod(0o777)
        found = servers(args, work)
        seen = {}
        print("pando: " + ("the http layer alone, no router, metrics or access log" if args.layer else
                           "router, fibers, metrics and access log on"))
        print(f"server and wrk on CPU {CPU}; {args.rounds} rounds of {args.seconds} s; medians\n")
        print(f"{'case':10}{'server':8}{'req/s':>12}{'user us':>9}{'sys us':>9}   pando's ratio: req/s, user")
        for case in args.only.split(","):
            results = {s.name: [] for s in found}
            for _ in range(args.rounds):
                for s in found:
                    if not (s.name == "kore" and CASES[case][2] > 1):
                        results[s.name].append(measure(s, case, args.seconds))
            medians = {n: [statistics.median(v) for v in zip(*r)] for n, r in results.items() if r}
            seen |= {(case, name): m for name, m in medians.items()}
            for name, (rate, user, system) in medians.items():
                ours = medians["pando"]
                ratio = "" if name == "pando" else f"   {ours[0] / rate:5.2f} x  {ours[1] / max(user, 1e-9):5.2f} x"
                print(f"{case:10}{name:8}{rate:12,.0f}{user:9.2f}{system:9.2f}{ratio}", flush=True)
        show_marks(seen)
        if not args.no_idle:
            import resource
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


if __name__ == "__main__":
    main()
