#!/usr/bin/python3
"""Runs the strictness cases against a server and prints every wrong verdict.

    run.py SERVER [--only ID-PREFIX] [--mutations N] [--seed N]

Each case goes over the wire twice: whole, and cut into three pieces at places drawn from the seed.
Behind a case comes a request that must be answered where the connection goes on, and never where
it must not.
"""
import argparse
import random
import sys

import cases
import te_mutations
from talk import Server, talk

LAST = b"GET /last HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n"
SENTINEL = {"method": b"GET", "target": b"/last"}


def judge(case, server, sends, pause=0.0):
    """What is wrong with the server's verdict; "" if nothing."""
    wait = case.end == "wait"
    if case.end == "close":  # the client may not send further pieces once it has said close
        sends = [*sends[:-1], sends[-1] + LAST]
    want = list(case.seen) + ([SENTINEL] if case.end == "keep" else [])
    heads = [one["method"] == b"HEAD" for one in want]
    sends = sends if case.end in ("wait", "close") else [*sends, LAST]
    t = talk(server.address, sends, heads, wait, case.interim, pause)
    got = [s for s in server.seen() if int(s["from"]) == t.port]
    statuses = [200] * len(want)
    if not server.alive():
        return f"the server died with {server.process.returncode}"
    if len(got) != len(want):
        return f"saw {brief(got)}, not {brief(want)}; answered {t.statuses} {t.error}"
    for have, one in zip(got, want):
        for name, value in one.items():
            if have[name] != value:
                return f"saw {name} {have[name][:80]!r}, not {value[:80]!r}"
    if t.error and not (wait and not t.statuses[len(statuses) :]):
        return t.error
    if t.statuses[: len(statuses)] != statuses:
        return f"answered {t.statuses}, not {statuses} first"
    more = t.statuses[len(statuses) :]
    if case.end == "reject" and (len(more) != 1 or more[0] not in case.status):
        return f"answered {t.statuses}: not one of {case.status} and the end"
    if case.end in ("keep", "close") and more:
        return f"answered {t.statuses}: more than there were requests"
    if case.end == "wait" and any(s < 400 for s in more):
        return f"answered {t.statuses} to an incomplete message"
    expects = b"100-continue" in case.raw.lower()  # one more may come if the body came late
    if t.interims != case.interim and not (pause and expects and t.interims == 1):
        return f"{t.interims} interim answers, not {case.interim:d}"
    return ""


def brief(seen):
    return [(s["method"] + b" " + s["target"]).decode("latin1")[:40] for s in seen]


def cut(r, raw):
    a, b = sorted((r.randrange(len(raw) + 1), r.randrange(len(raw) + 1)))
    return [p for p in (raw[:a], raw[a:b], raw[b:]) if p]


def te_case(number, head, verdict):
    """A mutation as a case."""
    c = cases.Case(f"te-mutation-{number}", "MUST", "oracle", repr(head), "te_mutations.py")
    c.sends = [head + te_mutations.BODY]
    seen = {"method": b"POST", "target": b"/x"}
    if verdict[0] == "reject":
        c.end, c.status = "reject", verdict[1]
        return c
    rest = verdict[-1]
    if verdict[0] == "chunked":
        # The body is BODY, unless an early empty line left more behind the head.
        whole = rest.startswith(te_mutations.BODY)
        c.seen = [seen | {"body": b"hello"}] if whole else []
        rest = rest[len(te_mutations.BODY) :] if whole else b"?"
    elif verdict[0] == "length":
        c.seen, rest = [seen | {"body": rest[: verdict[1]]}], rest[verdict[1] :]
    else:
        c.seen = [seen]
    if rest:  # what is left is no request
        c.end, c.status = "reject", (400, 501)
    if head.startswith(b"POST /x HTTP/1.0"):
        c.end, c.status = ("close", ()) if c.seen else (c.end, c.status)
    return c


def main():
    p = argparse.ArgumentParser()
    p.add_argument("server")
    p.add_argument("--only", default="")
    p.add_argument("--mutations", type=int, default=500)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    all_cases = [c for c in cases.read_all() if c.id.startswith(o.only)]
    written = len(all_cases)
    mutated = te_mutations.mutations(o.mutations, o.seed)
    all_cases += [c for c in (te_case(i, *m) for i, m in enumerate(mutated)) if c.id.startswith(o.only)]
    r, server, wrong = random.Random(o.seed), Server(o.server), 0
    try:
        for c in all_cases:
            said = judge(c, server, c.sends)
            if not said and not c.interim:
                said = judge(c, server, cut(r, c.raw), 0.0005)
                said = said and "cut: " + said
            if said:
                wrong += 1
                print(f"{c.where}: {c.id}: {said}\n    {c.level} {c.source}: {c.reason}")
            if not server.alive():
                break
    finally:
        server.stop()
    print(f"{written} cases, {len(all_cases) - written} Transfer-Encoding mutations"
          f" (seed {o.seed}): {wrong} wrong verdicts")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
