#!/usr/bin/python3
"""Torture: every place that allocates or calls the system fails, once and for ever.

    run.py [--budget SECONDS] [--only NAME] [--at FUNCTION] [--gaps] [--verbose]

Workloads are the unit tests and a short session of FinFlow. A first run of each finds its sites; then the workload
runs again for each site, which fails from its first call on. Of a unit test only those tests run again that reach
the site: the quickest one where it fails once, the quickest few where it fails for ever. Accepted outcomes:

    absorbed   nothing was to be seen of it
    error      a test's assertion saw it, or a request was answered with an error and the next ones were not
    refused    the program did not start (or ended) with a message and an exit code
    abort      a panic that says what is missing: allowed for the functions named in abort.txt only, and while a
               request is served only for those that are named there with "request:"

Anything else is a finding: crash, hang, leak, silent (an exit code without a word), stuck (a request goes on
failing although the failure is over), wrong (the books). Sites in the code that no workload reaches must be named
in unreached.txt with a reason. Without --budget everything runs; with it, an even sample that fits.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from program import HERE, ROOT, Program, Record
from session import Session

BUILD = pathlib.Path(os.environ.pop("PANDO_BUILD", ROOT / "build"))  # ours: a program would refuse to know it
GOOD = ("absorbed", "error", "refused", "abort")
UNIT_SECONDS = 90
TRIES = 3  # to reach a site again
FEW = 5  # tests that run again for a site that fails for ever
SEEN = re.compile(r"error: Failure!|^ERROR: \S+_test\.c:|^ERROR: \S*tests/", re.M)  # by a test: from there on it is its fault
# Who is called by one of these serves a request: src/http/conn.c, and work that was handed to the pool.
REQUEST = ("conn_fiber", "conn_ready", "run_job")
ONCE_ONLY = {"epoll_wait", "poll"}  # interrupted for ever: no kernel does that


def read_list(name):
    """First words of the lines; the rest of a line is the reason."""
    lines = [line.split(None, 2) for line in (HERE / name).read_text().splitlines() if line and line[0] != "#"]
    return lines


class Outcome:
    def __init__(self, kind, detail="", record=None):
        self.kind, self.detail, self.record = kind, detail, record


def of_signal(status, text):
    """The outcome of a process that a signal ended."""
    name = signal.Signals(-status).name
    last = next((line for line in text.splitlines() if "panic" in line or "pando:" in line), text[-200:])
    if -status == signal.SIGABRT and "panic" in text and "assertion failed" not in text:
        return Outcome("abort", last)
    return Outcome("crash", f"{name}: {last}")


class Workload:
    def __init__(self, name, exe, lib, args=()):
        self.name, self.exe, self.lib, self.args = name, str(exe), lib, list(args)
        self.program = Program(exe)
        ranges = map(self.program.function, REQUEST)
        self.request = ",".join(f"{low:x}-{high:x}" for low, high in ranges if high)

    def tests(self, site, mode):
        """What of it is to run: "" for all, "each" for all with a note which reaches what, or the numbers of the tests."""
        return ""

    def preload(self, record, site, mode):
        env = {"LD_PRELOAD": str(self.lib), "TORTURE_FILE": str(record), "TORTURE_EXE": os.path.realpath(self.exe),
               "TORTURE_REQUEST": self.request, "TORTURE_KEEPS_NOTHING": "1"}
        if site:
            env |= {"TORTURE_SITE": f"{site.hash:x}", "TORTURE_MODE": mode}
        which = self.tests(site, mode)
        return env | {"TORTURE_TESTS": which} if which else env

    def run(self, site=None, mode="once"):
        outcome = self.run_once(site, mode)
        for _ in range(TRIES - 1):
            if not site or not outcome.record or outcome.record.fired:
                break
            site.tests = []  # those tests reach it behind others only, or now and then
            outcome = self.run_once(site, mode)
        return outcome

    def run_once(self, site, mode):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="torture-"))
        try:
            outcome = self.run_in(directory, site, mode)
            if not (directory / "record").exists():
                return Outcome("not started", outcome.detail)
            outcome.record = Record(directory / "record", with_sites=not site)
            return self.judged(outcome)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def judged(self, outcome):
        r = outcome.record
        # A unit test that stops in the middle leaves its own things behind.
        to_judge = ("absorbed",) if isinstance(self, Unit) else ("absorbed", "refused", "error")
        if outcome.kind in to_judge and r.finished and r.nleaks:
            self.program.learn_record(r)
            size, frames = r.leaks[0]
            return Outcome("leak", f"{r.nleaks} blocks, first of {size} bytes from {self.program.text(frames)}", r)
        if outcome.kind == "absorbed" and r.finished and self.base and r.descriptors > self.base:
            return Outcome("leak", f"{r.descriptors - self.base} file descriptors", r)
        return outcome

    base = 0  # open descriptors at the end of an untouched run


class Unit(Workload):
    test_us = ()  # how long its tests take

    def tests(self, site, mode):
        if not site:
            return "each"
        quick = sorted(site.tests, key=lambda i: self.test_us[i])
        return ",".join(map(str, sorted(quick[:1 if mode == "once" else FEW])))

    def run_in(self, directory, site, mode):
        env = dict(os.environ, CMOCKA_TEST_ABORT="1", TMPDIR=str(directory), **self.preload(directory / "record", site, mode))
        process = subprocess.Popen([self.exe, *self.args], env=env, cwd=directory, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            text = process.communicate(timeout=UNIT_SECONDS)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            text = process.communicate()[0].decode(errors="replace")
            return Outcome("error" if SEEN.search(text) else "hang", text[-200:])
        if process.returncode == 0:
            return Outcome("absorbed")
        if SEEN.search(text):
            return Outcome("error", text[-600:])
        if process.returncode < 0:
            return of_signal(process.returncode, text)
        return Outcome("refused" if text.strip() else "silent", text[-200:])


class FinFlow(Workload):
    def run_in(self, directory, site, mode):
        s = Session(self.exe, directory, self.preload(directory / "record", site, mode))
        status = s.run()
        text = s.log()
        wrong = s.wrong_books()
        if wrong:
            return Outcome("wrong", wrong)
        if status is None or s.hung:
            return Outcome("hang", s.hung)
        if status < 0:
            return of_signal(status, text)
        if status > 0:
            return Outcome("refused" if text.strip() else "silent", text[-200:])
        if mode == "once" and not s.recovered:
            return Outcome("stuck", "; ".join(s.failed))
        return Outcome("error" if s.failed else "absorbed", "; ".join(s.failed))


def files_in(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


class Tool(Workload):
    """A command of `pando`. It may end with a message; each file it leaves must be as it was before or as it
    should be, and there may be no other. It ends anyway, so that what it has not freed is no leak."""
    whole = None  # what an untouched run leaves

    def __init__(self, name, exe, lib, args, before=(), where="."):
        super().__init__(name, exe, lib, args)
        self.before, self.where = before, where  # commands that are let alone; the folder the last one runs in

    def judged(self, outcome):
        return outcome

    @staticmethod
    def on_the_way(content, whole):
        """A file that gets several lines, one after the other, may have got some of them; no line is cut."""
        if whole is None:
            return False
        wanted = iter(whole.split(b"\n"))
        return content[-20:] == whole[-20:] and all(line in wanted for line in content.split(b"\n"))

    def run_in(self, directory, site, mode):
        at = directory / "at"
        at.mkdir()
        env = dict(os.environ)
        for args in self.before:
            subprocess.run([self.exe, *args], cwd=at, env=env, check=True, capture_output=True)
        old = files_in(at)
        try:
            ran = subprocess.run([self.exe, *self.args], cwd=at / self.where, env=env | self.preload(directory / "record", site, mode),
                                 capture_output=True, text=True, errors="replace", timeout=UNIT_SECONDS)
        except subprocess.TimeoutExpired:
            return Outcome("hang")
        left, text = files_in(at), ran.stdout + ran.stderr
        if not site:
            self.whole = left
        for name, content in left.items():
            if content != old.get(name) and not self.on_the_way(content, self.whole.get(name)):
                return Outcome("wrong", f"{name} is half there: {text[-200:]}")
        if ran.returncode < 0:
            return of_signal(ran.returncode, text)
        if ran.returncode > 0:
            return Outcome("refused" if text.strip() else "silent", text[-200:])
        if left == self.whole:
            return Outcome("absorbed")
        return Outcome("error") if "to do" in text else Outcome("wrong", "files are missing, without a word")


def tools(lib):
    pando = BUILD / "src" / "cli" / "pando"
    yield Tool("pando gen", pando, lib, ["gen", "--app", ROOT / "examples" / "shelf", "--out", "gen"])
    yield Tool("pando new", pando, lib, ["new", "shop"])
    yield Tool("pando generate", pando, lib, ["generate", "module", "books"], before=[["new", "shop"]], where="shop")
    yield Tool("pando explain", pando, lib, ["explain", "PD-SQL-027"])


def workloads(lib):
    text = subprocess.run(["meson", "introspect", "--tests", BUILD], capture_output=True, text=True, check=True).stdout
    skip = {name for name, *_ in read_list("skipped.txt")}
    for test in json.loads(text):
        if "unit" in test["suite"][0] and test["name"] not in skip and test["cmd"][0].startswith(str(BUILD)):
            yield Unit(test["name"], test["cmd"][0], lib, test["cmd"][1:])
    yield from tools(lib)
    yield FinFlow("finflow session", BUILD / "finflow" / "finflow", lib)


def in_words(counts):
    return ", ".join(f"{n} {kind}" for kind, n in counts.most_common())


class Report:
    def __init__(self, verbose):
        self.verbose, self.findings = verbose, []
        self.counts = collections.defaultdict(collections.Counter)  # of a workload: outcome → runs
        self.aborts = collections.Counter()
        self.foreign = {name for name, *_ in read_list("foreign.txt")}
        self.may_abort = {name for name, *_ in read_list("abort.txt")}

    def add(self, work, site, mode, outcome):
        where = f"{work.name}: {site.call} fails {mode} in {work.program.text(site.frames)}"
        if outcome.record and not outcome.record.fired:
            self.counts[work.name]["not reached again"] += 1
            return
        if outcome.kind == "abort":
            names = {work.program.place(f)[0] for f in site.frames}
            if outcome.record.in_request:
                names = {f"request:{name}" for name in names}
            allowed = names & self.may_abort
            if not allowed:
                outcome.kind = "abort in a request" if outcome.record.in_request else "unlisted abort"
            self.aborts[min(allowed, default="?")] += 1
        if outcome.kind == "crash" and self.foreign.intersection(f for f, _, _ in map(work.program.place, site.frames)):
            outcome.kind = "foreign crash"
        self.counts[work.name][outcome.kind] += 1
        if outcome.kind not in (*GOOD, "foreign crash"):
            self.findings.append(f"{outcome.kind}: {where}\n    {outcome.detail.strip()}")
            print(self.findings[-1], flush=True)
        elif self.verbose:
            print(f"{outcome.kind}: {where}", flush=True)

    def totals(self, jobs):
        every = collections.Counter()
        for name, counts in self.counts.items():
            every += counts
            sites = len({s.hash for w, s, _ in jobs if w.name == name})
            print(f"{name}: {sites} sites, {counts.total()} runs: {in_words(counts)}")
        if every:
            print("\noutcomes: " + in_words(every))
        if self.aborts:
            print("aborts: " + ", ".join(f"{n} in {f}" for f, n in sorted(self.aborts.items())))


def find_gaps(works):
    """Calls in src/ that no workload reaches and no list excuses. {(function, callee): [place]}"""
    every, reached = {}, set()
    for work in works:
        calls, jumps = work.program.static_calls()
        work.program.learn([at - 1 for at, _ in calls] + [at - 1 for at, _, _ in jumps])
        frames = {f for s in work.sites for f in s.frames}
        for at, name, through in [(at, name, [at]) for at, name in calls] + jumps:
            function, file, line = work.program.known[at - 1]
            if not file.startswith("src/") or file.startswith(("src/gen/", "src/cli/", "src/check/")):
                continue
            key = (function, name)
            every.setdefault(key, f"{file}:{line}")
            if frames.intersection(through):
                reached.add(key)
    excused = {(f, c) for f, c, *_ in read_list("unreached.txt")}
    gaps = {key: every[key] for key in every if key not in reached and key not in excused}
    stale = sorted(excused & reached)
    return len(every), len(reached), gaps, stale


def learn(work):
    for _ in range(TRIES):  # a test may want more time than a busy machine gives it
        outcome = work.run()
        if outcome.kind == "absorbed":
            break
    work.program.learn_record(outcome.record)
    work.base = outcome.record.descriptors
    work.sites, work.test_us = outcome.record.sites, outcome.record.test_us
    if outcome.kind != "absorbed":
        sys.exit(f"{work.name} fails untouched ({outcome.kind}): {outcome.detail}")
    if outcome.record.lost:
        sys.exit(f"{work.name}: more sites than the table has room for")
    return work


def sample(jobs, share):
    """An even share of the jobs, the same ones each time."""
    return [job for i, job in enumerate(jobs) if int(i * share) != int((i + 1) * share)]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--budget", type=float, help="seconds; an even sample of the sites that fits")
    options.add_argument("--only", help="workloads whose name contains this")
    options.add_argument("--at", help="sites with a function of this name among their callers only")
    options.add_argument("--gaps", action="store_true", help="find the sites and what no workload reaches; nothing fails")
    options.add_argument("--verbose", action="store_true", help="print every site and its outcome")
    options.add_argument("--jobs", type=int, default=3 * os.cpu_count())  # they wait more than they work
    args = options.parse_args()
    lib = BUILD / "tests" / "torture" / "libtorture.so"
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        works = list(pool.map(learn, [w for w in workloads(lib) if not args.only or args.only in w.name]))
        jobs = [(w, s, mode) for w in works for s in w.sites if w.program.ours(s) and w.program.calls(s, args.at)
                for mode in (("once",) if s.call in ONCE_ONLY else ("once", "forever"))]
        print(f"{len(works)} workloads, {len({(w, s) for w, s, _ in jobs})} sites, found in {time.monotonic() - start:.0f} s")
        if args.gaps:
            jobs = []
        report, every = Report(args.verbose), jobs
        if args.budget and jobs:
            probe = sample(jobs, min(1, 40 / len(jobs)))
            began = time.monotonic()
            for job, outcome in zip(probe, pool.map(lambda j: j[0].run(j[1], j[2]), probe)):
                report.add(*job, outcome)
            each = (time.monotonic() - began) / len(probe)
            left = max(0, args.budget - (time.monotonic() - start))
            jobs = sample([j for j in jobs if j not in probe], min(1, left / each / len(jobs)))
            print(f"of these, {len(probe) + len(jobs)} runs fit the budget")
        for job, outcome in zip(jobs, pool.map(lambda j: j[0].run(j[1], j[2]), jobs)):
            report.add(*job, outcome)
    report.totals(every)
    bad = bool(report.findings)
    if not args.only and not args.at:
        total, reached, gaps, stale = find_gaps(works)
        print(f"{total} calls (function, callee) in src/, {reached} reached, {len(gaps)} neither reached nor excused")
        for (function, callee), place in sorted(gaps.items()):
            print(f"    {function} {callee}  {place}")
        for key in stale:
            print("    reached, but excused in unreached.txt: {} {}".format(*key))
        bad = bad or gaps or stale
    print(f"{time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
