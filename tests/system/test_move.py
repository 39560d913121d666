"""`finflow move`: the whole database from SQLite into PostgreSQL, as who runs it sees it."""
import os
import pty
import re
import subprocess

import pytest
from conftest import FINFLOW, Server, complaints, one_clear_line

import postgres

pytestmark = pytest.mark.skipif(not postgres.SERVER, reason="needs TEST_POSTGRES")


@pytest.fixture
def source(tmp_path):
    s = Server(tmp_path)
    s.database = f"sqlite:{tmp_path}/finflow.db"
    yield s
    if s.process and s.process.poll() is None:
        s.kill()


def target_of(source):
    target = Server(source.dir)
    target.database = postgres.new_database()
    return target


def test_the_ledger_is_the_same_afterwards(source):
    assert source.command("seed", "--users", 6, "--orgs", 2, "--entries", 3000, "--seed", 3).returncode == 0
    target = target_of(source)
    done = target.command("move", source.database)
    assert done.returncode == 0, done.stderr
    assert complaints(done) == []
    moved = dict(re.findall(r"^(\w+) +([\d,]+) rows  checksum [0-9a-f]{16}$", done.stdout, re.M))
    for table, rows in moved.items():
        count = [(int(rows.replace(",", "")),)]
        assert source.rows(f"select count(*) from {table}") == count
        assert target.rows(f"select count(*) from {table}") == count
    assert "ledger_entry" in moved and "identity_user" in moved
    assert re.search(r"^moved [\d,]+ rows of \d+ tables in [\d.]+ s; counts and checksums are equal$", done.stdout, re.M)
    for sql in ("select sum(amount), min(amount), max(balance_after) from ledger_entry",
                "select email, name from identity_user order by id"):
        assert [tuple(map(str, r)) for r in source.rows(sql)] == [tuple(map(str, r)) for r in target.rows(sql)]
    assert target.command("check").returncode == 0
    assert target.command("migrate").stdout.startswith("0 applied")
    one_clear_line(target.command("move", source.database), "not empty", "PD-RUN-EEXISTS")


def test_a_running_server_is_not_moved_away_from(source):
    source.start()
    target = target_of(source)
    one_clear_line(target.command("move", source.database), "in use by process", str(source.process.pid))
    assert target.rows("select count(*) from pg_class where relname like 'ledger%'") == [(0,)]


def test_what_is_wrong_is_said_in_one_line(source):
    target = target_of(source)
    one_clear_line(target.command("move"), "move takes 1 argument", "sqlite:PATH")
    one_clear_line(target.command("move", "sqlite:nowhere.db"), "there is no file nowhere.db")
    one_clear_line(target.command("move", "var/finflow.db"), "begins at a SQLite file")
    assert source.command("migrate").returncode == 0
    one_clear_line(source.command("move", source.database), "DATABASE_URL")
    target.database = "postgres://127.0.0.1:1/x"
    one_clear_line(target.command("move", source.database), "cannot connect")


def test_a_terminal_gets_a_bar(source):
    assert source.command("seed", "--demo").returncode == 0
    ours, theirs = pty.openpty()
    target = target_of(source)
    process = subprocess.Popen([FINFLOW, "move", source.database], env=target.env(), cwd=source.dir, stdout=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert process.wait(60) == 0
    text = said.decode()
    assert re.search(r"\rcopying +\[#*-*\] |\x1b\[Kcopying +\[#*-*\] ", text), text
    assert "[########################]" in text
    assert "counts and checksums are equal" in text
