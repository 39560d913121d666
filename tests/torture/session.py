"""A short life of FinFlow, from outside: start, sign up, open accounts, deposit, transfer, list, a page, stop.
Tells what was answered; knows what must be true of the books whatever failed."""
import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import time
import uuid

# SQLite tries for ten seconds to get a lock that the system refuses it.
READY_SECONDS, CALL_SECONDS, STOP_SECONDS = 10, 30, 20


class Gone(Exception):
    """The process has ended."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Session:
    def __init__(self, program, directory, preload):
        self.dir, self.program, self.preload = pathlib.Path(directory), program, preload
        self.cookie, self.failed, self.recovered, self.hung = "", [], True, None
        self.acknowledged = []

    def run(self):
        """The exit status, or None if it had to be killed."""
        self.port = free_port()
        env = {"PATH": os.environ["PATH"], "PANDO_ENV": "test", "PORT": str(self.port), "THREADS": "2",
               "DATABASE_URL": f"sqlite:{self.dir}/finflow.db", **self.preload}
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen([self.program, "serve"], cwd=self.dir, env=env, stdout=log, stderr=log)
        try:
            self.wait_ready()
            if self.recovered:
                self.live()
            self.process.send_signal(signal.SIGTERM)
            self.wait_end(STOP_SECONDS)
        except Gone:
            self.wait_end(0.1 if self.hung else STOP_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            return None
        return self.process.returncode

    def wait_end(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.hung = self.hung or "did not stop"

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def call(self, method, path, body=None):
        """(status, document), or (0, None) if there was no answer."""
        if self.process.poll() is not None:
            raise Gone
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_SECONDS)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.cookie:
            headers["Cookie"] = self.cookie
        try:
            link.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = link.getresponse()
            data = answer.read()
            for value in answer.headers.get_all("Set-Cookie") or []:
                self.cookie = value.split(";")[0]
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(data) if is_json and data else data
        except TimeoutError:
            self.hung = f"no answer to {method} {path}"
            raise Gone from None
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            link.close()

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.call("GET", "/readyz")[0] == 200:
                return
            time.sleep(0.005)
        self.recovered = False
        self.failed.append("never got ready")

    def must(self, method, path, body, good, tries=3):
        """Asks until it is answered well; what fails is noted."""
        for _ in range(tries):
            status, doc = self.call(method, path, body)
            if status in good:
                return doc
            self.failed.append(f"{method} {path}: {status}")
        self.recovered = False
        return None

    def live(self):
        api = "/api/v1"
        email = f"{uuid.uuid4().hex}@example.com"
        person = {"email": email, "password": "correct horse battery", "name": "Ada"}
        status, _ = self.call("POST", api + "/signup", person)
        if status != 201:
            self.failed.append(f"signup: {status}")
            if self.call("POST", api + "/login", person)[0] not in (200, 204):  # it may have worked after all
                self.must("POST", api + "/signup", person, (201,))
        accounts = [self.must("POST", api + "/accounts", {"name": n, "currency": "EUR", "kind": "checking"}, (201,))
                    for n in ("Current", "Savings")]
        if not all(accounts):
            return
        one, two = accounts[0]["id"], accounts[1]["id"]
        self.must("POST", f"{api}/accounts/{one}/deposits", {"amount": 1000, "memo": "pay"}, (201,))
        key = str(uuid.uuid4())
        move = {"id": key, "from": one, "to": two, "amount": 250, "currency": "EUR", "memo": "rent"}
        if self.must("POST", api + "/transfers", move, (200, 201)):
            self.acknowledged.append(key)
        for path in (api + "/accounts", f"{api}/accounts/{one}", f"{api}/accounts/{one}/entries", "/", "/accounts",
                     "/nothing/here", "/assets/none.css"):
            self.must("GET", path, None, (200, 302, 303, 404))
        self.must("POST", api + "/transfers", {"id": "x"}, (422, 400))
        # A body and a page that fit no chunk of an arena's reserve.
        self.must("POST", api + "/transfers", {"id": "x", "memo": "long " * 20000}, (422, 400))
        for _ in range(40):
            self.must("POST", f"{api}/accounts/{one}/deposits", {"amount": 1, "memo": "m" * 140}, (201,))
        self.must("GET", "/transactions", None, (200,))
        self.must("GET", api + "/transactions?limit=100", None, (200,))
        self.must("GET", "/metrics", None, (200,))

    def wrong_books(self):
        """What is not true of the books, or None."""
        if not (self.dir / "finflow.db").exists():
            return None
        rules = {
            "an entry without its other half":
                "select transfer_id from ledger_entry group by transfer_id having count(*) <> 2 or sum(amount) <> 0",
            "a balance is not the sum of its entries":
                "select a.id from ledger_account a left join ledger_entry e on e.account_id = a.id group by a.id "
                "having a.balance <> coalesce(sum(e.amount), 0)",
        }
        db = sqlite3.connect(self.dir / "finflow.db")
        try:
            if db.execute("pragma integrity_check").fetchone()[0] != "ok":
                return "the database is damaged"
            if not db.execute("select 1 from sqlite_master where name = 'ledger_entry'").fetchone():
                return "an acknowledged transfer is lost" if self.acknowledged else None
            for rule, sql in rules.items():
                if db.execute(sql).fetchone():
                    return rule
            for key in self.acknowledged:
                n = db.execute("select count(*) from ledger_transfer where key = ?", (uuid.UUID(key).bytes,)).fetchone()
                if n[0] != 1:
                    return "an acknowledged transfer is lost"
        finally:
            db.close()
        return None
