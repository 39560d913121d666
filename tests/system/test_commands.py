"""The program as its own tool: starting, refusing to start, stopping, seeding and importing."""
import contextlib
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest
from conftest import API, ENGINE, FINFLOW, Person, Server, on_sqlite, one_clear_line, sanitizer
from ledger_oracle import broken_rules


def serve(server, **settings):
    server.settings.update(settings)
    return server.command("serve", timeout=20)


@pytest.mark.parametrize("name, value", [
    ("PORT", "abc"), ("PORT", "70000"), ("PORT", "-1"), ("DATABASE_URL", "mysql://x"), ("DATABASE_URL", "sqlite:"),
    ("PANDO_ENV", "prod"), ("WORKERS", "many"), ("REDIS_URL", "redis://x"), ("PANDO_PROT", "1"),
    ("SECRET_KEY", "short"), ("PANDO_FAULTS", "nothing:1:once"),
])
def test_a_wrong_setting_is_named(own_server, name, value):
    one_clear_line(serve(own_server, **{name: value}), name)


def test_an_unknown_setting_in_the_file_is_named(own_server):
    (own_server.dir / "pando.conf").write_text("PROT = 9000\n")
    one_clear_line(own_server.command("serve"), "PROT", "pando.conf")


def test_production_needs_a_secret_key(own_server):
    one_clear_line(serve(own_server, PANDO_ENV="production"), "SECRET_KEY")


def test_a_taken_port_is_named(own_server):
    with socket.socket() as s:
        s.bind(("127.0.0.1", own_server.port))
        s.listen()
        one_clear_line(own_server.command("serve"), str(own_server.port))


@on_sqlite
def test_a_second_server_on_the_same_file_is_refused(own_server, tmp_path_factory):
    own_server.start()
    second = Server(tmp_path_factory.mktemp("second"), DATABASE_URL=f"sqlite:{own_server.dir}/finflow.db")
    one_clear_line(second.command("serve"), "finflow.db", str(own_server.process.pid))
    assert httpx.get(own_server.url + "/up").status_code == 200


@pytest.mark.parametrize("content", [b"not a database at all, just some text " * 50, b"SQLite format 3\0" + b"\xff" * 4096])
@on_sqlite
def test_a_corrupt_database_is_left_as_it_is(own_server, content):
    path = own_server.dir / "finflow.db"
    path.write_bytes(content)
    one_clear_line(own_server.command("serve"), "finflow.db")
    assert path.read_bytes() == content


@on_sqlite
def test_a_directory_that_cannot_be(own_server):
    (own_server.dir / "file").write_text("not a directory")
    one_clear_line(serve(own_server, DATABASE_URL=f"sqlite:{own_server.dir}/file/finflow.db"), "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_loses_nothing(own_server, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        own_server.database = f"sqlite:{disk}/finflow.db"
        own_server.start()
        ada = Person(own_server)
        a, b = ada.account("A"), ada.account("B")
        ada.deposit(a, 10**6)
        (disk / "filler").write_bytes(b"x" * (shutil.disk_usage(disk).free - 30_000))
        codes = [ada.transfer(a, b, 1, memo="m" * 140).status_code for _ in range(100)]
        made = codes.count(201)
        assert set(codes) <= {201, 507, 503} and made < 100
        assert ada.balance(b) == made
        (disk / "filler").unlink()
        assert ada.transfer(a, b, 1).status_code == 201
        assert ada.balance(b) == made + 1
        assert own_server.stop() == 0
        assert broken_rules(own_server) == []
    finally:
        subprocess.run(["umount", "-l", disk])


def test_help_and_unknown_commands(own_server):
    for args in (["--help"], ["serve", "--help"], ["seed", "--help"], ["import", "--help"]):
        result = own_server.command(*args)
        assert result.returncode == 0 and "finflow" in result.stdout
    one_clear_line(own_server.command("sevre"), "serve")
    assert own_server.command("version").stdout.strip()
    routes = own_server.command("routes").stdout
    assert "/api/v1/transfers" in routes and "POST" in routes


def test_sigterm_drains(own_server):
    own_server.start()
    ada = Person(own_server)
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 10**6)
    results = []

    def work():
        try:
            while True:
                results.append(ada.transfer(a, b, 1).status_code)
        except httpx.TransportError:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(3000):  # until it is in full swing, however slow the machine
        if len(results) > 10:
            break
        time.sleep(0.01)
    assert own_server.stop() == 0
    thread.join()
    assert set(results) <= {201, 503} and results.count(201) > 10
    assert own_server.rows("select count(*) from ledger_transfer where amount = 1")[0][0] >= results.count(201)


def test_sessions_survive_a_restart(own_server):
    own_server.start()
    ada = Person(own_server)
    own_server.stop()
    own_server.start()
    assert ada.get("/me").status_code == 200


def test_seed_is_deterministic_and_right(own_server, tmp_path_factory):
    def dump(server):
        return (server.rows("select account_id, amount, balance_after, memo from ledger_entry order by id"),
                server.rows("select email from identity_user order by id"))

    dumps = []
    for _ in range(2):
        server = Server(tmp_path_factory.mktemp("seed"))
        result = server.command("seed", "--users", 6, "--orgs", 3, "--entries", 3000, "--seed", 7)
        assert result.returncode == 0, result.stderr
        assert broken_rules(server) == []
        dumps.append(dump(server))
    assert dumps[0] == dumps[1] and len(dumps[0][0]) >= 3000 and len(dumps[0][1]) == 6
    assert server.command("check").returncode == 0


SEED = ("seed", "--users", 1200, "--orgs", 3, "--entries", 15000, "--seed", 7, "--until", "2026-03-01")


def made(server):
    """What a seed has made; ids may have gaps where one was killed."""
    return (server.rows("select o.n, a.name, e.amount, e.balance_after, e.memo, e.external from ledger_entry e join ledger_account a "
                        "on a.id = e.account_id join seed_org o on o.org_id = e.org_id order by e.id"),
            server.rows("select u.email, u.name, m.role, o.n from identity_user u join identity_member m on m.user_id = u.id "
                        "join seed_org o on o.org_id = m.org_id order by u.id"))


def test_a_seed_that_is_killed_goes_on_where_it_was(own_server, tmp_path_factory):
    """Killed again and again, told the same again: in the end it has made what it makes at once, and said so."""
    seed = int(os.environ.get("PANDO_SEED", random.randrange(2**32)))
    print("seed", seed)
    dice = random.Random(seed)
    at_once = Server(tmp_path_factory.mktemp("seed"))
    assert at_once.command(*SEED).returncode == 0
    assert own_server.command("migrate").returncode == 0
    kills = 0
    for _ in range(200):
        places = own_server.rows("select people, org, written from seed_run")
        run = subprocess.Popen([FINFLOW, *map(str, SEED)], cwd=own_server.dir, env=own_server.env(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < deadline:
            if own_server.rows("select people, org, written from seed_run") != places:
                time.sleep(dice.random() * 0.05)  # somewhere in what comes behind the next commit
                break
        run.kill()
        out, err = run.communicate()
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL, err
        assert not places or "goes on behind" in out or out == ""
        assert broken_rules(own_server) == []
        kills += 1
        if own_server.rows("select org from seed_run") == [(3,)]:
            break  # it was done, and had not said so
        other = SEED[:2] + (1300,) + SEED[3:]
        one_clear_line(own_server.command(*other), "begun with --users 1200 --orgs 3 --entries 15000 --until 2026-03-01", "goes on")
    else:
        raise AssertionError("it does not come to an end")
    assert kills >= 3
    assert made(own_server) == made(at_once)
    one_clear_line(own_server.command(*SEED), "there already", "--seed")
    assert own_server.command("check").returncode == 0


def all_of(terminal):
    """What was written to it, in pieces of a page; behind the last one, once all writers are gone, is an error."""
    pieces = []
    with open(terminal, "rb", buffering=0) as file, contextlib.suppress(OSError):
        while piece := file.read(1 << 16):
            pieces.append(piece)
    return b"".join(pieces).decode()


def test_seed_shows_its_progress_on_a_terminal_and_is_made_once(own_server):
    terminal, theirs = os.openpty()
    first = subprocess.run([FINFLOW, "seed", "--entries", "12000"], cwd=own_server.dir, env=own_server.env(), text=True,
                           stdout=subprocess.PIPE, stderr=theirs, timeout=120)
    os.close(theirs)
    said = all_of(terminal)
    assert first.returncode == 0 and "12000 entries" in first.stdout
    assert "100 %  12000 entries" in said and said.count("[") > 2
    one_clear_line(own_server.command("seed", "--entries", 12000), "there already", "--seed")
    assert broken_rules(own_server) == []


@pytest.mark.parametrize("how", [["--demo"], ["--users", 1]])
def test_no_known_password_comes_into_production(own_server, how):
    own_server.settings.update(PANDO_ENV="production", SECRET_KEY="k" * 32)
    assert own_server.command("migrate").returncode == 0
    one_clear_line(own_server.command("seed", *how), "production")
    assert own_server.rows("select count(*) from identity_user") == [(0,)]


def test_a_command_that_fails_says_why(own_server):
    assert own_server.command("migrate").returncode == 0
    own_server.alter("drop table ledger_import_row; drop table ledger_entry")
    one_clear_line(own_server.command("check"), "ledger_entry", "PD-RUN-")


def csv_file(path, rows, seed=1):
    rng = random.Random(seed)
    with open(path, "w") as out:
        out.write("Date,Description,Amount\n")
        for i in range(rows):
            out.write(f"2025-{i % 12 + 1:02d}-{i % 28 + 1:02d},\"Shop, {i}\",{rng.randint(1, 99999) / 100:.2f}\n")


def import_account(server):
    server.start()
    ada = Person(server)
    account = ada.account("Bank")
    server.stop()
    return ada, account


def test_import_says_what_it_refused_and_never_doubles(own_server, tmp_path):
    ada, account = import_account(own_server)
    path = tmp_path / "bank.csv"
    path.write_text('Date,Description,Amount\n2025-01-02,Coffee,"3.20"\n2025-13-02,Bad date,1\n2025-01-03,Bad amount,abc\n'
                    '2025-01-02,Coffee,"3.20"\n2025-01-04,Missing\n2025-01-05,"Quoted, ""memo""",10.00\n')
    first = own_server.command("import", "--account", account["id"], path)
    assert first.returncode == 0, first.stderr
    for row in (3, 4, 6):
        assert f"row {row}:" in first.stderr
    assert "imported 3, skipped 0 duplicates, refused 3 of 6 rows" in first.stdout + first.stderr
    second = own_server.command("import", "--account", account["id"], path)
    assert "imported 0, skipped 3 duplicates, refused 3 of 6 rows" in second.stdout + second.stderr
    assert broken_rules(own_server) == []
    own_server.start()
    assert ada.balance(account) == 320 + 320 + 1000
    memos = [t["memo"] for t in ada.get("/transactions").json()["items"]]
    assert 'Quoted, "memo"' in memos


def test_import_says_what_it_needs(own_server, tmp_path):
    ada, account = import_account(own_server)
    path = tmp_path / "bank.csv"

    def imported(text, *options):
        path.write_text(text)
        return own_server.command("import", "--account", account["id"], path, *options)

    spent = imported("Date,Memo,Amount\n2025-01-02,Coffee,-3.20\n2025-01-03,Salary,100\n")
    assert spent.returncode == 0 and "row 2: would leave the account below zero" in spent.stderr
    assert "deposit what was in it before" in spent.stderr and "imported 1" in spent.stdout
    other = imported("Date,Memo,Amount\n2025-01-05,Hotel,50 USD\n2025-01-06,Fee,2.00 DR\n2025-01-07,Tip,1.00 EUR\n")
    assert "imported 1, skipped 0 duplicates, refused 2 of 3 rows" in other.stdout
    told = imported("when;how much;what\n7/8/25;5,00;x\n", "--date=when", "--amount", "2", "--memo", "what",
                    "--date-format", "DD/MM/YY")
    assert told.returncode == 0 and "imported 1" in told.stdout and "DD/MM/YY" in told.stderr
    one_clear_line(imported("a,b\nc,d\n"), "--date")
    one_clear_line(imported("Date,Sum\n2025-01-01,1\n", "--memo", "nothing"), "--memo")
    one_clear_line(imported(""), "empty")
    one_clear_line(own_server.command("import", "--account", account["id"], tmp_path), "cannot read the file")
    assert broken_rules(own_server) == []
    own_server.start()
    assert ada.balance(account) == 10000 + 100 + 500
    assert ada.get("/transactions", **{"from": "2025-08-07", "to": "2025-08-07"}).json()["items"][0]["memo"] == "x"
    assert own_server.stop() == 0


@pytest.mark.parametrize("words, named", [
    (["seed", "--userz", "3"], "--userz"), (["seed", "--users"], "--users"), (["seed", "--users", "many"], "--users"),
    (["seed", "--users=-1"], "--users"), (["seed", "--until", "2026-13-01"], "--until"), (["seed", "--demo=1"], "--demo"),
    (["seed", "extra"], "extra"), (["seed", "--users", "1", "--orgs", "2"], "--orgs"),
    (["import", "--account", "1"], "needs --account"), (["import", "x.csv"], "needs --account"),
    (["import", "--account", "1", "a.csv", "b.csv"], "b.csv"), (["import", "--account", "1", "--memo=", "x.csv"], "--memo"),
    (["check", "now"], "now"),
])
def test_a_wrong_option_is_named(own_server, words, named):
    result = own_server.command(*words)
    one_clear_line(result, named)
    assert result.returncode == 64


def test_import_of_200000_rows_in_constant_memory(own_server, tmp_path):
    ada, account = import_account(own_server)

    def peak(rows):
        path = tmp_path / f"{rows}.csv"
        csv_file(path, rows)
        process = subprocess.Popen([FINFLOW, "import", "--account", account["id"], path], cwd=own_server.dir,
                                   env=own_server.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss

    plain = sanitizer() == "none"  # else it takes minutes, and what the sanitizer keeps is measured
    rows = 5_000 if not plain else 200_000 if ENGINE == "sqlite" else 5_000  # a round trip for each statement
    small, large = peak(200), peak(rows)
    print(f"peak RSS: 200 rows {small} KiB, {rows} rows {large} KiB")
    if plain:
        assert large - small < 20 * 1024
    assert broken_rules(own_server) == []


def test_import_to_an_absent_account(own_server, tmp_path):
    import_account(own_server)
    path = tmp_path / "x.csv"
    csv_file(path, 3)
    one_clear_line(own_server.command("import", "--account", 99999, path), "99999")
    one_clear_line(own_server.command("import", "--account", 1, tmp_path / "absent.csv"), "absent.csv")
