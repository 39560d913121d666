"""Programs that are older or newer than the schema of their database, on both engines."""
import re
import subprocess
import time

import httpx
import pytest
from conftest import ENGINE, FINFLOW, Server, on_sqlite, one_clear_line

import postgres

PRODUCTION = {"PANDO_ENV": "production", "SECRET_KEY": "k" * 32, "METRICS_TOKEN": "m" * 16, "HOST": "127.0.0.1"}
on_postgres = pytest.mark.skipif(ENGINE != "postgres", reason="on SQLite nobody else can migrate")


def forget_the_last(server):
    """The schema as a program before the last migration of the ledger would have left it."""
    server.alter("create table kept as select * from pando_migration where module = 'ledger'; "
                 "delete from pando_migration where module = 'ledger'")


def remember_it(server):
    server.alter("insert into pando_migration select * from kept")


def test_a_server_older_than_the_schema_serves(own_server):
    own_server.settings.update(PRODUCTION)
    assert own_server.command("migrate").returncode == 0
    now = "now()" if ENGINE == "postgres" else "1"
    own_server.alter(f"insert into pando_migration values ('ledger', '9999_by_a_newer_program', 'ff', {now})")
    own_server.start()
    assert httpx.get(own_server.url + "/up").status_code == 200
    assert own_server.command("version").returncode == 0
    assert own_server.stop() == 0
    done = own_server.command("migrate")
    assert done.returncode == 0 and done.stdout.startswith("0 applied"), done.stderr


def test_a_server_newer_than_the_schema_refuses_in_one_line(own_server):
    own_server.settings.update(PRODUCTION)
    one_clear_line(own_server.command("serve"), "0001_", "has not been applied", "run: finflow migrate")
    assert own_server.command("migrate").returncode == 0
    forget_the_last(own_server)
    one_clear_line(own_server.command("serve"), "0001_ledger", "run: finflow migrate")


def test_what_migrate_does_not_mend_has_its_own_hint(own_server):
    own_server.settings.update(PRODUCTION)
    assert own_server.command("migrate").returncode == 0
    own_server.alter("update pando_migration set checksum = 'ff' where name = '0001_ledger'")
    done = own_server.command("serve")
    one_clear_line(done, "0001_ledger", "has changed since it was applied", "put its old text back")
    assert "run: finflow migrate" not in done.stderr


@on_sqlite
def test_on_sqlite_it_does_not_wait_for_what_cannot_come(own_server):
    own_server.settings.update(PRODUCTION, MIGRATION_WAIT_SECONDS=3600)
    one_clear_line(own_server.command("serve", timeout=30), "has not been applied")


@on_postgres
def test_it_waits_if_it_is_told_to_and_says_for_what(own_server):
    own_server.settings.update(PRODUCTION)
    assert own_server.command("migrate").returncode == 0
    forget_the_last(own_server)
    own_server.settings.update(MIGRATION_WAIT_SECONDS=60)
    own_server.start(wait=False)
    deadline = time.monotonic() + 30
    while "waiting for a migration" not in own_server.log_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert re.search("waiting for a migration.*0001_ledger", own_server.log_text()), own_server.log_text()
    assert own_server.process.poll() is None
    remember_it(own_server)
    own_server.wait_ready()
    assert httpx.get(own_server.url + "/up").status_code == 200


@on_postgres
def test_it_does_not_wait_longer(own_server):
    own_server.settings.update(PRODUCTION, MIGRATION_WAIT_SECONDS=1)
    done = own_server.command("serve", timeout=30)
    assert done.returncode == 78
    assert "has not been applied" in done.stderr.splitlines()[-1]


@on_postgres
def test_several_instances_migrate_at_once(own_server):
    all_of_them = [subprocess.Popen([FINFLOW, "migrate"], cwd=own_server.dir, env=own_server.env(),
                                    stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [p.communicate(timeout=120)[0] for p in all_of_them]
    assert [p.returncode for p in all_of_them] == [0] * 4
    applied = [int(re.search(r"^(\d+) applied", text, re.M).group(1)) for text in said]
    assert sum(applied) == len(own_server.rows("select name from pando_migration")), said
