"""How the program gets in: passwords (SCRAM) wherever libpq looks for them, TLS with a verified certificate, a socket."""
import contextlib
import re
from urllib.parse import quote

import postgres
import pytest
from conftest import ENGINE, Person, Server, one_clear_line

pytestmark = pytest.mark.skipif(ENGINE != "postgres", reason="SQLite knows no passwords")
PASSWORD = r"p@ss:w\rd/%?é"  # with all that is special in a URL or in a password file


@pytest.fixture(scope="module")
def guarded(tls):
    """The same server, where user ada needs a password, and gets in with TLS only."""
    literal = PASSWORD.replace("'", "''")
    postgres.psql(tls.url, "-c", f"set password_encryption = 'scram-sha-256'; create role ada login password '{literal}'")
    hba = tls.dir / "data/pg_hba.conf"
    hba.write_text("hostssl all ada 127.0.0.1/32 scram-sha-256\nhost all ada all reject\nlocal all ada scram-sha-256\n"
                   + hba.read_text())
    postgres.psql(tls.url, "-c", "select pg_reload_conf()")
    return tls


@pytest.fixture
def place(guarded, tmp_path):
    """A database of ada's, and a server that is to be told how to get there."""
    name, straight = guarded.new_database()
    postgres.psql(straight, "-c", f"alter database {name} owner to ada")
    server = Server(tmp_path, HOME=tmp_path)
    server.name = name
    yield server
    if server.process and server.process.poll() is None:
        server.kill()


def password_file(path, *fields):
    escaped = [re.sub(r"([\\:])", r"\\\1", field) for field in fields]
    path.write_text(":".join(escaped) + "\n")
    path.chmod(0o600)


def is_served(server):
    with contextlib.closing(server.client()):
        assert server.command("migrate").returncode == 0
        server.start()
        assert Person(server).account()["name"] == "Current"
        assert server.stop() == 0, server.log_text()
        assert PASSWORD not in server.log_text()


def test_a_password_in_the_url_and_a_verified_certificate(guarded, place):
    place.database = (f"postgres://ada:{quote(PASSWORD, safe='')}@127.0.0.1:{guarded.port}/{place.name}"
                      f"?sslmode=verify-full&sslrootcert={guarded.certificate}")
    is_served(place)


def test_a_password_file_at_home(guarded, place):
    password_file(place.dir / ".pgpass", "127.0.0.1", str(guarded.port), place.name, "ada", PASSWORD)
    place.database = f"postgres://ada@127.0.0.1:{guarded.port}/{place.name}?sslmode=require"
    is_served(place)


def test_variables_of_libpq(guarded, place):
    password_file(place.dir / "secret", "*", "*", "*", "ada", PASSWORD)
    place.settings |= {"PGHOST": "127.0.0.1", "PGPORT": guarded.port, "PGUSER": "ada", "PGDATABASE": place.name,
                       "PGPASSFILE": place.dir / "secret", "PGSSLMODE": "require"}
    place.database = "postgres:///"
    is_served(place)


def test_a_socket(guarded, place):
    place.settings["PGPASSWORD"] = PASSWORD
    place.database = f"postgres:///{place.name}?host={guarded.dir}&port={guarded.port}&user=ada"
    is_served(place)


@pytest.mark.parametrize("query, words", [
    ("sslmode=disable", ["pg_hba.conf", "no encryption"]),
    ("sslmode=verify-ca&sslrootcert=/nowhere.crt", ["/nowhere.crt"]),
    ("sslmode=require", ["password authentication failed"]),
])
def test_who_does_not_get_in_is_told_why(guarded, place, query, words):
    place.database = f"postgres://ada:wrong@127.0.0.1:{guarded.port}/{place.name}?{query}"
    refused = place.command("migrate")
    one_clear_line(refused, *words)
    assert "wrong" not in refused.stderr
