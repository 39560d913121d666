#!/usr/bin/python3
"""Instructions of pando's for a request that asks PostgreSQL, of the libh2o program's, and of a bare libpq program's.

    bench/db/count.py BUILD_DIR [--only none,single,many] [--servers pando,h2o] [--functions 30] [--caches] [--connections 64]

The programs of run.py under callgrind (see ../callgrind.py): bare_pq's units, and the servers' requests, of which each
connection has one at a time. --functions: where instructions are spent. "bare" neither speaks HTTP nor writes JSON,
"bare+http" does the least of that.
"""
import argparse
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import callgrind  # noqa: E402
import peers  # noqa: E402
import run  # noqa: E402

FEW, MANY = 512, 2560  # requests: whole rounds of 64 connections
REQUEST = "GET {}{} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"


def answer(sock):
    head, _, body = b"", b"", b""
    while not head.endswith(b"\r\n\r\n"):
        more = sock.recv(1 << 16)
        if not more:
            sys.exit("the server has closed the connection")
        head, end, rest = (head + more).partition(b"\r\n\r\n")
        head, body = head + end, rest
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
        sys.exit(head.decode())
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while length and len(body) < int(length.group(1)):
        body += sock.recv(1 << 16)


def ask(port, path, n, connections):
    """n requests; all connections ask at once, and again when all have their answers."""
    socks = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(connections)]
    at = 1
    for _ in range(n // connections):
        for sock in socks:
            at = (at * 21 + 6) % 10000 + 1  # as load.lua
            sock.sendall(REQUEST.format(path, at if path.endswith("/") else "").encode())
        for sock in socks:
            answer(sock)
    for sock in socks:
        sock.close()


def measure_server(server, out, case, n, args):
    process = callgrind.start(server, out, args.caches)
    ask(server.port, run.CASES[case][0], n, args.connections)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    return callgrind.read(out)


def measure_bare(program, url, out, case, n, args):
    subprocess.run(callgrind.command(out, [program, url, case, f"{n}x"], args.caches), check=True, stdout=subprocess.DEVNULL)
    return callgrind.read(out)


def count(args, build, tmp, db):
    servers = run.wanted_servers(peers.free_port(), 0, args, build, tmp, db, None)
    for case in args.only.split(","):
        for server in servers:
            if server.name == "bare+http" and case not in run.SERVED:
                continue
            few, many = (measure_server(server, pathlib.Path(tmp) / f"{server.name}-{case}-{n}", case, n, args) for n in (FEW, MANY))
            callgrind.show(f"{case}, {server.name}", callgrind.per_unit(few, many, MANY - FEW), args.functions)
        if "bare" in args.servers and case in run.SERVED and case != "none":
            few, many = (measure_bare(build / "bench/db/bare_pq", db.url, f"{tmp}/bare-{case}-{n}", case, n, args) for n in (FEW, MANY))
            callgrind.show(f"{case}, bare", callgrind.per_unit(few, many, MANY - FEW), args.functions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--only", default=",".join(run.SERVED))
    parser.add_argument("--servers", default="pando,h2o-each,h2o,bare")
    parser.add_argument("--h2o-connections", type=int, default=2)
    parser.add_argument("--functions", type=int, default=0)
    parser.add_argument("--caches", action="store_true")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--set", action="append", default=["DATABASE_CONNECTIONS=2"], metavar="NAME=VALUE", help="a setting of pando's")
    args = parser.parse_args()
    args.servers = args.servers.split(",")
    build = pathlib.Path(args.build).resolve()
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)  # PostgreSQL does not run as root
        with peers.Postgres(tmp + "/pg") as db:
            run.seed(build, tmp, db)
            count(args, build, tmp, db)


if __name__ == "__main__":
    main()
