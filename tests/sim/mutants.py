#!/usr/bin/python3
"""Does the simulation find bugs? Plants one at a time in a copy of the tree and counts the worlds that notice.

    mutants.py [--seeds 100] [--only NAME]

A mutant is a name and, three by three, files with a text and what replaces it, so it cannot rot unseen: a text that is not there once is an
error. The copy and its build stay in build-mutants. A mutant that no world finds is a gap in the rules, but for those in ELSEWHERE, which
a world cannot find: the unit test named there must.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build-mutants"
PATIENCE = 600  # seconds: a world ends by its own limits, and a hundred take some ten

# A world is one thread, and there only a fiber itself could wake it while it runs: nothing of the server does.
ELSEWHERE = {"a wake of a fiber that runs is lost": "tests/unit/run/run_fiber_sim_test"}

MUTANTS = [
    ("a failed statement does not end the transaction and is forgotten", "src/data/stmt.c",
     "    pd_ctx_fail(c, pd_wrap(e, \"running %s for %s\", s->name, site));\n    if (e",
     "    if (e == PD_EIO)\n        return false;\n    pd_ctx_fail(c, pd_wrap(e, \"running %s for %s\", s->name, site));\n    if (e"),
    ("a rollback releases instead", "src/data/sqlite_writer.c",
     "    if (pd_lite_command(w->conn, LITE_ROLLBACK_TO) == PD_OK &&\n", "    if (true &&\n"),
    ("a reader keeps its snapshot for ever", "src/data/sqlite_reader.c",
     "    if (conn->in_snapshot && conn->seen == commits)\n        return PD_OK;\n    end_snapshot(conn);\n",
     "    if (conn->in_snapshot)\n        return PD_OK;\n",
     "src/data/sqlite_reader.c", "    for (struct lite_conn *c = pool->idle; c; c = c->next)\n        end_snapshot(c);\n", ""),
    ("the reply does not wait for the commit", "src/web/dispatch.c",
     "    else if (c->failed == PD_OK && pd_commit(c) != PD_OK && c->failed == PD_OK)\n        pd_ctx_fail(c, PD_EINTERNAL);\n", ""),
    ("a recycled out buffer keeps its bytes", "src/http/out.c", "    o->pos = o->len = 0;\n", ""),
    ("the arena of a request is reset before its answer is sent", "src/http/reply.c",
     "    if (send_body && !copy)\n        out_send(c, body);\n",
     "    if (send_body && !copy) {\n        pd_arena_reset(&w->arena);\n        out_send(c, body);\n    }\n"),
    ("answers of a pipeline leave in the wrong order", "src/http/reply.c",  # each whole, the later one first
     "    out_commit(c, (size_t)(at - start));\n    if (send_body && !copy)\n",
     "    size_t mine = (size_t)(at - start);\n    struct out *o = c->out;\n    bool ahead = copy && o && o == c->out_last && o->pos == 0;\n"
     "    char *text = malloc(mine);\n    memcpy(text, start, mine);\n"
     "    if (ahead && start == o->bytes + o->len) {\n        memmove(o->bytes + mine, o->bytes, o->len);\n"
     "        memcpy(o->bytes, text, mine);\n    }\n    free(text);\n"
     "    out_commit(c, mine);\n    if (send_body && !copy)\n",
     "src/http/reply.c", "#include \"http/conn.h\"\n", "#include \"http/conn.h\"\n\n#include <stdlib.h>\n"),
    ("the rest of a short write is dropped", "src/http/out.c",
     "        o->pos += (uint32_t)here;\n", "        c->out_bytes -= o->len - o->pos - here;\n        o->pos = o->len;\n"),
    ("a short write is taken for a whole one, but not counted as one", "src/http/out.c",
     "        o->pos += (uint32_t)here;\n", "        o->pos = o->len;\n"),
    ("a body is not taken off the connection", "src/http/body.c",
     "    b->done = b->left == 0;\n    return PD_OK;\n", "    b->done = true;\n    return PD_OK;\n"),
    ("who is signed in is remembered from the request before", "src/web/dispatch.c",
     "    if (!pd_http_known(q->http, PD_H_COOKIE).len)\n        return;\n    pd_session_read(c);\n",
     "    static struct pd_session_data last;\n    static int times;\n    if (!pd_http_known(q->http, PD_H_COOKIE).len)\n        return;\n"
     "    pd_session_read(c);\n    if (q->has_session && ++times % 16 == 0)\n        q->session = last;\n    last = q->session;\n"),
    ("a commit that failed is acknowledged", "src/data/sqlite_writer.c",
     "    if (s->result == PD_OK)\n        return PD_OK;\n    return pd_hint", "    if (true)\n        return PD_OK;\n    return pd_hint"),
    ("accounts of other organisations are shown", "finflow/modules/ledger/accounts.c",
     "ledger_accounts_page(c, c->org_id, after,", "ledger_accounts_page(c, 1, after,"),
    ("money is taken without looking whether it is there", "finflow/modules/ledger/post.c",
     "    if (!ledger_is_external(p->from) && p->from->balance < p->amount)\n        return LEDGER_TOO_LITTLE;\n", ""),
    ("a transfer forgets one balance", "finflow/modules/ledger/transfers.c",
     "    ledger_post_balance(c, p.from);\n", ""),
    ("a repeated transfer is refused", "finflow/modules/ledger/transfers.c",
     "    if (transfer && !is_repeat(transfer, in))", "    if (transfer)"),
    ("a wake of a fiber that runs is lost", "src/run/fiber.c",
     "    case FIBER_RUNNING: f->token = true; break;\n", "    case FIBER_RUNNING: break;\n"),
    ("whoever waits for a semaphore is not woken", "src/run/sync.c",
     "    if (!grant(&s->waiters, PD_OK))\n        s->free++;\n", "    s->free++;\n"),
]


def copy_tree():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        to = WORK / "tree" / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists() or to.read_bytes() != (ROOT / name).read_bytes():
            shutil.copyfile(ROOT / name, to)  # with a new time: what a mutant left is built anew
    if not (WORK / "build" / "build.ninja").exists():
        subprocess.run(["meson", "setup", WORK / "build", WORK / "tree", "-Dtests=enabled"], check=True, capture_output=True)


def build(program="tests/sim/finflow_sim"):
    return subprocess.run(["ninja", "-C", WORK / "build", "--quiet", program], capture_output=True, text=True)


def simulate(seeds):
    """(worlds, broken, first line about a broken one)"""
    try:
        ran = subprocess.run([WORK / "build/tests/sim/finflow_sim", "--seeds", str(seeds)], capture_output=True,
                             text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        sys.exit(f"the worlds do not end within {PATIENCE} s: their limits do not hold")
    worlds, broken = map(int, re.search(r"(\d+) worlds, (\d+) broken", ran.stdout).groups())
    first = re.search(r"^seed (\d+): .*", ran.stdout, re.M)
    panic = re.search(r"^panic at .*", ran.stderr, re.M)
    return worlds, broken, (first[0] if first else "") + (f"\n                    {panic[0]}" if panic else "")


def fails(test):
    """Whether the unit test finds what is planted."""
    if build(test).returncode:
        sys.exit(f"{test} does not build")
    try:
        return subprocess.run([WORK / "build" / test], capture_output=True, timeout=PATIENCE).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def replace(name, file, old, new):
    path = WORK / "tree" / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"mutant \"{name}\": its text is {text.count(old)} times in {file}; bring it up to date")
    path.write_text(text.replace(old, new))


def plant(name, edits, seeds):
    before = {file: (WORK / "tree" / file).read_text() for file in edits[::3]}
    try:
        for i in range(0, len(edits), 3):
            replace(name, *edits[i:i + 3])
        made = build()
        if made.returncode:
            sys.exit(f"mutant \"{name}\" does not compile:\n{made.stdout[-2000:]}")
        found = simulate(seeds)
        elsewhere = ELSEWHERE.get(name)
        return *found, elsewhere if elsewhere and fails(elsewhere) else None
    finally:
        for file, text in before.items():
            (WORK / "tree" / file).write_text(text)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=100)
    options.add_argument("--only", default="")
    args = options.parse_args()
    os.chdir(ROOT)
    copy_tree()
    if build().returncode or simulate(20)[1]:
        sys.exit("the tree itself does not build, or breaks a rule")
    missed = 0
    for name, *edits in MUTANTS:
        if args.only not in name:
            continue
        worlds, broken, first, elsewhere = plant(name, edits, args.seeds)
        missed += broken == 0 and not elsewhere
        print(f"{broken:4} of {worlds} worlds  {name}\n                    {first or elsewhere or ''}", flush=True)
    print(f"{missed} not found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
