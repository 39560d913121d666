#!/usr/bin/python3
"""How long from a save to the fresh page, on FinFlow, with a client that loads the page all the while. By hand:

    tests/dev/measure.py [--saves 50]

Saves a template and a C file in turn, puts both back, and prints the times and the number of failed requests."""
import argparse
import pathlib
import statistics
import sys
import tempfile
import threading
import time

import httpx

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from conftest import HTML, ROOT, Dev, until  # noqa: E402

TEMPLATE, CODE = "modules/web/templates/landing.html", "modules/web/people.c"
RUN = int(time.time())  # no compiler cache has seen these marks
HEADING, ANSWER = "in plain sight.</h1>", "    return web_landing_render("


class Client(threading.Thread):
    """Loads the page without pause; keeps the failures and what was seen last."""

    def __init__(self, url):
        super().__init__()
        self.url, self.over, self.failed, self.done, self.seen = url, False, [], 0, ""

    def run(self):
        with httpx.Client(base_url=self.url, headers=HTML, timeout=60) as http:
            while not self.over:
                try:
                    answer = http.get("/")
                    if answer.status_code == 200:
                        self.seen = answer.text + answer.headers.get("X-Mark", "")
                    else:
                        self.failed.append(answer.status_code)
                except httpx.TransportError as e:
                    self.failed.append(repr(e))
                self.done += 1
                time.sleep(0.002)


def quantile(times, share):
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def report(name, times):
    print(f"{name:10} n={len(times):3} p50={statistics.median(times):.3f} s p95={quantile(times, .95):.3f} s "
          f"max={max(times):.3f} s")


def save(dev, files, i):
    """Puts a new mark into the template or the C file; the mark, which no page before had."""
    mark = f"mark-{RUN}-{i}-"
    if i % 2 == 0:
        text = files[TEMPLATE].replace(HEADING, f"{HEADING}<!--x--><p>{mark}</p>", 1)
    else:
        text = files[CODE].replace(ANSWER, f'    pd_reply_header(c, "X-Mark", PD_STR("{mark}"));\n{ANSWER}', 1)
    name = CODE if i % 2 else TEMPLATE
    assert text != files[name]
    dev.write(name, text)
    return mark


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--saves", type=int, default=50)
    saves = options.parse_args().saves
    dev = Dev(ROOT / "finflow")
    dev.log_file = pathlib.Path(tempfile.mkdtemp()) / "log"
    files = {name: (dev.dir / name).read_text() for name in (TEMPLATE, CODE)}
    times = [[], []]
    dev.start(DATABASE_URL=f"sqlite:{dev.log_file.parent}/finflow.db")
    client = Client(dev.url)
    client.start()
    try:
        for i in range(saves):
            began = time.monotonic()
            mark = save(dev, files, i)
            until(lambda: mark in client.seen)
            times[i % 2].append(time.monotonic() - began)
            time.sleep(0.3)
    finally:
        client.over = True
        client.join()
        for name, text in files.items():
            dev.write(name, text)
        time.sleep(2)
        dev.stop()
    for name, seen in (("template", times[0]), ("C file", times[1]), ("all", times[0] + times[1])):
        report(name, seen)
    print(f"requests={client.done} failed={len(client.failed)} {client.failed[:3]}")
    print(f"log: {dev.log_file}")


main()
