"""A program of two versions on one database: what the older one uses is not removed while it runs."""
import re
import subprocess
import time

import httpx
import pytest
from conftest import BUILD, ENGINE, Server, complaints, one_clear_line
from test_migrations import PRODUCTION, on_postgres

OLD, NEW, NEWEST = 2, 3, 4  # how many migrations it knows; the third is a contract migration


@pytest.fixture
def versions(tmp_path):
    """Makes servers of a version, all on one database."""
    servers = []

    def make(version, **settings):
        place = tmp_path / str(len(servers))
        place.mkdir()
        s = Server(place, VERSION=version, DRAIN_SECONDS=0, **{**PRODUCTION, **settings})
        s.program = BUILD / "tests/unit/app/app_versions"
        if servers:
            s.database = servers[0].database
        servers.append(s)
        return s

    yield make
    for s in servers:
        if s.process:
            s.stop()


def until(what, server, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.02)


def until_logged(server, pattern):
    until(lambda: re.search(pattern, server.log_text()), server)


def count(server):
    return httpx.get(server.url + "/count").status_code


def migrate(server, *args):
    done = server.command("migrate", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@on_postgres
def test_first_the_program_everywhere_then_the_contract(versions):
    old, new = versions(OLD), versions(NEW)
    migrate(old)
    old.start()
    new.start()  # works without it, and says so
    until_logged(new, "contract migrations have not been applied.*missing=1")
    refused = new.command("migrate")
    assert refused.returncode == 75
    assert len(complaints(refused)) == 1, refused.stderr
    for word in ("0003_without_s of module things", "older programs", " at the server itself (pid ", "stop them"):
        assert word in refused.stderr
    assert count(old) == count(new) == 200
    assert old.stop() == 0
    assert "1 applied" in migrate(new)
    assert count(new) == 200


@on_postgres
def test_what_older_programs_use_may_be_left_for_later(versions):
    old, new, newest = versions(OLD), versions(NEW), versions(NEWEST)
    migrate(versions(1))
    old.command("migrate")
    old.start()
    assert migrate(new, "--leave") == "0 applied, 2 were there already, 1 left for when older programs are gone\n"
    one_clear_line(newest.command("migrate", "--leave"), "0003_without_s", "older programs")  # it needs what comes behind
    assert count(old) == 200
    old.stop()
    assert "2 applied" in migrate(newest, "--leave")


@on_postgres
def test_a_program_that_is_about_to_end_is_waited_for(versions):
    old, new = versions(OLD), versions(NEW, MIGRATION_WAIT_SECONDS=60)
    migrate(old)
    old.start()
    waits = subprocess.Popen([new.program, "migrate"], cwd=new.dir, env=new.env(), stdout=subprocess.PIPE, text=True)
    assert waits.stdout.readline().startswith("waiting: migration 0003_without_s of module things")
    assert old.stop() == 0
    rest = waits.communicate(timeout=60)[0]
    assert waits.returncode == 0 and "1 applied" in rest, rest


@on_postgres
def test_in_development_a_start_leaves_it(versions):
    old, new = versions(OLD), versions(NEW, PANDO_ENV="development")
    migrate(old)
    old.start()
    new.start()
    until_logged(new, "contract migration is left for later.*0003_without_s")
    assert count(old) == count(new) == 200


def test_a_program_that_is_too_old_does_not_start(versions):
    old, new = versions(OLD), versions(NEW)
    migrate(new)
    for command in (["serve"], ["migrate"]):
        refused = old.command(*command, timeout=30)
        assert refused.returncode == 69
        one_clear_line(refused, "too old for the database", "0003_without_s of module things")
    new.start()
    assert count(new) == 200


@on_postgres
def test_one_that_was_not_seen_ends_in_one_line(versions):
    """As if its network had been cut while the contract migration was applied."""
    old = versions(OLD)
    migrate(versions(NEW))
    old.alter("create table kept as select * from pando_contract; delete from pando_contract; "
              "alter table things_thing add column s text")
    old.start()
    assert count(old) == 200
    old.alter("alter table things_thing drop column s; insert into pando_contract select * from kept")
    old.alter("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
              "and pid <> pg_backend_pid()")
    until(lambda: old.process.poll() is not None, old)
    assert old.process.returncode == 69
    assert "too old for the database: migration 0003_without_s" in old.log_text().splitlines()[-1]


@pytest.mark.skipif(ENGINE != "sqlite", reason="of a file")
def test_on_sqlite_there_is_no_other_program(versions):
    old, new = versions(OLD), versions(NEW)
    migrate(old)
    one_clear_line(new.command("serve"), "0003_without_s of module things has not been applied", "run: versions migrate")
    old.start()
    one_clear_line(new.command("migrate"), "in use by process")
    old.stop()
    assert "1 applied" in migrate(new)
    new.start()
    assert count(new) == 200
