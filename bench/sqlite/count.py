#!/usr/bin/python3
"""Instructions of a point read through pando's data layer and of a bare sqlite3 program's.

    bench/sqlite/count.py BUILD_DIR [--functions 30] [--caches]

What bench-sqlite measures, under callgrind (see ../callgrind.py). There no read is quick, so that each is timed for its
figures (decision 25): some 60 instructions more than without it.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import callgrind  # noqa: E402

FEW, MANY = 8000, 40000  # reads; the few fill the caches of pages


def measure(program, folder, who, n, caches):
    out = f"{folder}/{who}-{n}"
    subprocess.run(callgrind.command(out, [program, folder, "count", who, str(n)], caches), check=True)
    return callgrind.read(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--functions", type=int, default=0)
    parser.add_argument("--caches", action="store_true")
    args = parser.parse_args()
    program = pathlib.Path(args.build).resolve() / "bench/sqlite/bench-sqlite"
    with tempfile.TemporaryDirectory() as folder:
        for who in "bare", "pando":
            few, many = (measure(program, folder, who, n, args.caches) for n in (FEW, MANY))
            callgrind.show(f"{who}, per read", callgrind.per_unit(few, many, MANY - FEW), args.functions)


if __name__ == "__main__":
    main()
