"""A PostgreSQL with replicas, of one test's own; see scripts/postgres for what can be done to its servers."""
import pathlib
import shutil
import subprocess
import tempfile
import time

import postgres
from conftest import ROOT


class Cluster:
    def __init__(self, replicas=2, sync=False):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pando-cluster-", dir="/tmp"))
        self.nodes = range(replicas + 1)
        self.primary = 0
        self.url = self("start", "--replicas", replicas, *["--sync"] * sync).strip()

    def __call__(self, verb, *args):
        done = subprocess.run([ROOT / "scripts/postgres", verb, self.dir, *map(str, args)], capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 0, (verb, args, done.stderr)
        return done.stdout

    def rows(self, node, sql):
        return postgres.rows(self("url", node).strip(), sql)

    def replicas(self):
        return [n for n in self.nodes if n != self.primary]

    def promote(self, node, others=()):
        """`node` takes the primary's place; the others follow it. Returns when it takes writes."""
        for other in others:
            self("follow", other, node)
        self("promote", node)
        self.primary = node

    def most_advanced(self):
        """The replica that has received most: it has whatever was acknowledged."""
        def received(node):
            return self.rows(node, "select coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0' as n")[0][0]
        return max(self.replicas(), key=received)

    def wait_streaming(self, n, seconds=30):
        """Until n replicas follow the primary."""
        deadline = time.monotonic() + seconds
        while self.rows(self.primary, "select count(*) as n from pg_stat_replication where state = 'streaming'")[0][0] < n:
            assert time.monotonic() < deadline, "the replicas do not follow"
            time.sleep(0.05)

    def remove(self):
        subprocess.run([ROOT / "scripts/postgres", "stop", self.dir], timeout=120)
        shutil.rmtree(self.dir, ignore_errors=True)
