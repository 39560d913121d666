"""What the side-by-side benchmarks share: a server in a process tree of its own, and what its CPU time is."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    """The process and all below it."""
    found = [pid]
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found += children(int(entry.name))
    return found


def cpu(pid):
    """User and system seconds of the process tree, with those of children that have ended."""
    user = system = 0
    for p in children(pid):
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        user, system = user + int(fields[11]) + int(fields[13]), system + int(fields[12]) + int(fields[14])
    return user / TICK, system / TICK


def keep_nice(pid, more=0):
    """Gives the tree's sessions this program's nice value: Linux schedules sessions first (autogroup), then processes."""
    for p in children(pid):
        try:
            pathlib.Path(f"/proc/{p}/autogroup").write_text(str(min(os.nice(0) + more, 19)))
        except OSError:
            pass


class Postgres:
    """A throw-away cluster; its CPU time is that of the postmaster's process tree."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()

    def __enter__(self):
        self.url = subprocess.run([ROOT / "scripts/postgres", "start", self.folder, str(self.port)], check=True, capture_output=True,
                                  text=True).stdout.strip()
        self.pid = int((pathlib.Path(self.folder) / "data/postmaster.pid").read_text().split()[0])
        return self

    def __exit__(self, *_):
        subprocess.run([ROOT / "scripts/postgres", "stop", self.folder], check=True)

    def move(self, to):
        for pid in children(self.pid):
            subprocess.run(["taskset", "-acp", str(to), str(pid)], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def connections(self):
        """Of clients: "postgres: pando postgres 127.0.0.1(40000) idle"."""
        def title(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:
                return ""
        return sum("127.0.0.1(" in title(pid) for pid in children(self.pid))

    def cpu(self):
        return sum(cpu(self.pid))


class Server:
    """`with` starts it on a CPU and waits until it listens on the port; it is ended behind it."""

    def __init__(self, name, command, port, on_cpu, cwd=None, env=None):
        self.name, self.command, self.port, self.on_cpu, self.cwd = name, command, port, on_cpu, cwd
        self.env = {**os.environ, **(env or {})}

    def __enter__(self):
        self.process = subprocess.Popen(["taskset", "-c", str(self.on_cpu), *self.command], start_new_session=True, cwd=self.cwd,
                                        env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode}: {' '.join(self.command)}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                keep_nice(self.process.pid)
                return self
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{self.name} does not listen on port {self.port}")

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        time.sleep(0.2)


def between(server, build, load, pipelined=1):
    """User microseconds per request between system calls (between.c), in a run of its own; `load` returns how many it made, of which
    so many may be answered at once. None if the server does not let itself be measured."""
    library = pathlib.Path(build).resolve() / "bench/between.so"
    if not library.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        out, env = pathlib.Path(folder) / "between", server.env
        os.chmod(folder, 0o777)  # for one that leaves root
        server.env = {**env, "LD_PRELOAD": str(library), "BETWEEN_OUT": str(out)}
        with server:
            requests = load()
        server.env = env
        try:
            us, calls = map(float, out.read_text().split())
        except OSError:
            return None
    return us / requests if calls * pipelined > requests else None  # else it was the parent's
