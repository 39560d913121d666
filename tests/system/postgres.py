"""Databases on the PostgreSQL that TEST_POSTGRES names (scripts/test starts one)."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

from clients import free_port

SERVER = os.environ.get("TEST_POSTGRES", "")
POOLER = os.environ.get("TEST_POOLER", "")  # in front of it: the programs under test go through it


def url(database, server=SERVER):
    scheme, rest = server.split("://", 1)
    host, _, query = rest.partition("?")
    return f"{scheme}://{host.partition('/')[0]}/{database}?{query}"


def psql(database_url, *args):
    done = subprocess.run(["psql", "-Xtq", "-v", "ON_ERROR_STOP=1", "-d", database_url, *args],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(database_url, sql):
    """The rows as tuples; a statement without rows gives none."""
    if not sql.lstrip().startswith("select"):
        psql(database_url, "-c", sql)
        return []
    out = psql(database_url, "-A", "-c", f"select json_agg(row_to_json(r)) from ({sql}) r").strip()
    return [tuple(row.values()) for row in json.loads(out or "[]") or []]


def new_database():
    name = f"test_{uuid.uuid4().hex[:12]}"
    psql(SERVER, "-c", f"create database {name}")
    return url(name)


class TlsServer:
    """A PostgreSQL of this test's own, on a port, that takes TLS."""

    def __init__(self, script):
        self.script, self.dir, self.port = script, pathlib.Path(tempfile.mkdtemp(prefix="pando-tls-", dir="/tmp")), free_port()
        self.url = self("start", self.port).strip()
        self("tls")
        self.certificate, self.key = (self.dir / f"data/server.{end}" for end in ("crt", "key"))

    def __call__(self, verb, *args):
        done = subprocess.run([self.script, verb, self.dir, *map(str, args)], capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_database(self):
        """Its name and its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        psql(self.url, "-c", f"create database {name}")
        return name, self.url.rsplit("/", 1)[0] + "/" + name

    def remove(self):
        self("stop")
        shutil.rmtree(self.dir, ignore_errors=True)
