"""Counts instructions with callgrind: what the benchmarks share. A count does not depend on how busy the machine is.

A program is run for two amounts of work; the difference of its counts, divided by the difference of the amounts, is
what one more unit costs, without start and end.
"""
import collections
import re
import socket
import subprocess
import sys
import time

# First-level caches of 8 KiB stand for what the kernel and others leave of them between two requests.
CACHES = ["--cache-sim=yes", "--I1=8192,8,64", "--D1=8192,8,64", "--LL=1048576,16,64"]


def command(out, program, caches=False):
    return ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}", *(CACHES if caches else []), *program]


def start(server, out, caches):
    """The process of a server (command, cwd, env, port, name), in a session of its own, when it listens."""
    process = subprocess.Popen(command(out, server.command, caches), cwd=server.cwd, env=server.env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return process
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{server.name} does not listen under callgrind")


def read(out):
    """Function -> [Ir, …] of it alone; "PROGRAM TOTALS" is one of them."""
    text = subprocess.run(["callgrind_annotate", "--threshold=100", "--show-percs=no", "--auto=no", "--tree=none",
                           str(out)],
                          capture_output=True, text=True, check=True).stdout
    counts = collections.defaultdict(list)
    for line in text.splitlines():
        found = re.match(r"^\s*((?:[\d,]+|\.)(?:\s+(?:[\d,]+|\.))*)\s+(?:\S*?:)?(\S.*?)(?: \[.*\])?$", line)
        if not found:
            continue
        have = counts[found[2]]
        for i, text_of in enumerate(found[1].split()):
            have.extend([0] * (i + 1 - len(have)))
            have[i] += 0 if text_of == "." else int(text_of.replace(",", ""))
    return counts


def per_unit(few, many, units):
    """What one of the `units` by which two runs differ costs, by function."""
    return {name: [(n - (few[name][i] if i < len(few.get(name, [])) else 0)) / units for i, n in enumerate(counts)]
            for name, counts in many.items()}


def show(what, each, functions):
    """One line for the whole, and one for each of so many functions: instructions, misses of code and of data."""
    def misses(n):
        return f"{n[3]:9.1f}{n[4] + n[5]:9.1f}" if len(n) > 5 else ""

    total = each.pop("PROGRAM TOTALS")
    print(f"{what:24}{total[0]:10,.0f}{misses(total)}", flush=True)
    for name, n in sorted(each.items(), key=lambda e: -e[1][0])[:functions]:
        print(f"{'':24}{n[0]:10.1f}{misses(n)}  {name}")
