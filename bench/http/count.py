#!/usr/bin/python3
"""Instructions per request of pando's HTTP path: a figure that a busy machine does not change.

    bench/http/count.py BUILD_DIR [--only plain,pipe16,json] [--functions 30] [--caches] [--connections 64]

bench/http/pando_app with the settings of run.py and wrk's request, under callgrind (see ../callgrind.py). One request
(or 16 at once) per read. --connections 1: a turn of the loop is counted with each read, not its share.
--functions: where instructions are spent. --caches: also misses of code and data in first-level caches of 8 KiB.
"""
import argparse
import os
import pathlib
import signal
import socket
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import callgrind  # noqa: E402
import run  # noqa: E402

FEW, MANY = 2048, 10240  # requests: whole rounds of 16 on each of 64 connections
CASES = {"plain": ("/plaintext", 1), "pipe16": ("/plaintext", 16), "json": ("/json", 1)}


def answers(sock, n):
    got = b""
    while got.count(b"HTTP/1.1 200 OK") < n or not got.endswith((b"World!", b"}")):
        got += sock.recv(1 << 16)


def ask(port, path, depth, n, connections):
    """n requests; each connection sends `depth` at once, and the next when all have their answers."""
    batch = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{run.ACCEPT}\r\nConnection: keep-alive\r\n\r\n" * depth
    socks = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(connections)]
    for _ in range(n // depth // connections):
        for sock in socks:
            sock.sendall(batch.encode())
        for sock in socks:
            answers(sock, depth)
    for sock in socks:
        sock.close()


def measure(server, work, case, n, args):
    out = work / f"{case}-{n}"
    process = callgrind.start(server, out, args.caches)
    ask(server.port, *CASES[case], n, args.connections)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    return callgrind.read(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--functions", type=int, default=0)
    parser.add_argument("--caches", action="store_true")
    parser.add_argument("--connections", type=int, default=64)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        work = pathlib.Path(tmp)
        server = run.pando(args.build, work)
        for case in args.only.split(","):
            few, many = (measure(server, work, case, n, args) for n in (FEW, MANY))
            callgrind.show(f"{case}, per request", callgrind.per_unit(few, many, MANY - FEW), args.functions)


if __name__ == "__main__":
    main()
