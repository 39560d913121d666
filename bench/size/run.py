#!/usr/bin/python3
"""How small and how quick to start: FinFlow as it is shipped, and one source file's way into it.

    bench/size/run.py RELEASE_BUILD [DEVELOPMENT_BUILD]

Start is from exec to the first answer of /up with a migrated database, median of nine. Memory is of
that process once it rests. The connections are idle ones of bench/http/pando_app, each after one
request; what the kernel keeps for them is not counted. Rebuilding is `ninja` after a touch, without
ccache, in the development build: median of three. Marks are printed, not enforced: a busy machine
misses those of time.
"""
import importlib.util
import os
import pathlib
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("http_bench", HERE.parent / "http/run.py")
http_bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(http_bench)

STARTS, REBUILDS, CONNECTIONS, WAIT_S = 9, 3, 10000, 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(folder, port):
    return {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "PANDO_ENV": "production", "THREADS": "1",
            "SECRET_KEY": "1" * 64, "DATABASE_URL": f"sqlite:{folder}/finflow.db"}


def first_answer(process, port):
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"finflow serve ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                s.sendall(b"GET /up HTTP/1.1\r\nHost: localhost\r\n\r\n")
                if s.recv(100).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            time.sleep(0.0002)
    sys.exit(f"finflow gave no answer in {WAIT_S} s")


def rss(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) * 1024


def start(program, folder):
    """Milliseconds to the first answer, and bytes of memory half a second later."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen([program, "serve"], env=environment(folder, port), cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        first_answer(process, port)
        took = (time.perf_counter() - began) * 1000
        time.sleep(0.5)
        return took, rss(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)


def starts(program):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "migrate"], env=environment(folder, free_port()), cwd=folder, check=True,
                       timeout=60, stdout=subprocess.DEVNULL)
        runs = [start(program, folder) for _ in range(STARTS)]
    return statistics.median(r[0] for r in runs), max(r[1] for r in runs)


def stripped(program):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, program], check=True)
        return os.path.getsize(out.name)


def idle_bytes(build):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * CONNECTIONS), hard))
    with tempfile.TemporaryDirectory() as folder:
        return http_bench.idle(http_bench.pando(build, folder), CONNECTIONS)[1]


def rebuild(build, source):
    def once():
        os.utime(source)
        began = time.perf_counter()
        subprocess.run(["ninja", "-C", build, "finflow/finflow"], check=True, timeout=300,
                       stdout=subprocess.DEVNULL, env={**os.environ, "CCACHE_DISABLE": "1"})
        return time.perf_counter() - began
    subprocess.run(["ninja", "-C", build, "finflow/finflow"], check=True, stdout=subprocess.DEVNULL)
    return statistics.median(once() for _ in range(REBUILDS))


def show(what, value, unit, mark):
    print(f"  {what:46}{value:10.1f} {unit:6} mark {mark:g}: {'reached' if value <= mark else 'MISSED'}", flush=True)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    finflow = str(build / "finflow/finflow")
    took, memory = starts(finflow)
    show("start to first answer", took, "ms", 15)
    show("resident memory at rest", memory / 2**20, "MiB", 15)
    show("FinFlow, stripped", stripped(finflow) / 1e6, "MB", 4)
    show("process memory of an idle connection", idle_bytes(build) / 1024, "KiB", 1.5)
    if len(sys.argv) == 3:
        root = HERE.parent.parent
        for source in ("src/http/parse.c", "finflow/modules/ledger/accounts.c"):
            show(f"rebuild after a touch of {source}", rebuild(sys.argv[2], root / source), "s", 2)


if __name__ == "__main__":
    main()
