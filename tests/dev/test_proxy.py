"""The proxy of `pando dev`: what goes through it unchanged, what it changes, and what it must not."""
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest
from conftest import HTML, Dev, script_tag, until

PROGRAM = pathlib.Path(__file__).with_name("app.py")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    program = folder / "app"
    program.write_text("#!/bin/sh\nexec /usr/bin/python3 " + str(PROGRAM) + ' "$@"\n')
    program.chmod(0o755)
    (folder / "Makefile").write_text("build:\nprogram:\n\t@echo app\n")
    dev = Dev(folder).start()
    yield dev
    dev.stop()
    print(dev.log_text()[-4000:])


def raw(dev, bytes_, until_closed=True):
    with socket.create_connection(("127.0.0.1", dev.port), timeout=30) as s:
        try:
            s.sendall(bytes_)
        except OSError:
            pass
        got = b""
        while piece := s.recv(65536):
            got += piece
            if not until_closed:
                break
        return got


@pytest.mark.parametrize("path", ["/page", "/pieces", "/own-scripts"])
def test_the_script_goes_into_whole_pages(app, path):
    page = app.get(path, headers=HTML)
    assert page.status_code == 200 and "<p>hello</p>" in page.text
    assert page.text.count("/_pando/dev.js") == 1 and "</script></BoDy></html>" in page.text
    assert "etag" not in page.headers and page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/strict", "/coded", "/fragment"])
def test_other_pages_stay_as_they_are(app, path):
    page = app.get(path, headers=HTML)
    assert page.status_code == 200 and "dev.js" not in page.text
    if path == "/fragment":
        assert page.headers["etag"] == '"x"'


def test_what_a_script_fetches_stays_as_it_is(app):
    assert "dev.js" not in app.get("/page", headers={**HTML, "Sec-Fetch-Dest": "empty"}).text


def test_head_and_empty_answers(app):
    head = httpx.head(app.url + "/page", headers=HTML)
    assert head.status_code == 200 and head.content == b"" and "content-length" not in head.headers
    assert httpx.head(app.url + "/headers").headers["content-length"] != "0"
    assert app.get("/empty").status_code == 204


def test_headers_of_one_connection_end_there(app):
    sent = {"Host": "shop.example", "Connection": "X-Mine", "X-Mine": "1", "X-Kept": "2", "X-Forwarded-For": "1.2.3.4",
            "Accept-Encoding": "gzip"}
    answer = app.get("/headers", headers=sent)
    seen = dict(answer.json())
    assert seen["host"] == "shop.example" and seen["x-kept"] == "2" and "x-mine" not in seen
    assert seen["x-forwarded-for"] == "127.0.0.1" and seen["x-forwarded-proto"] == "http"
    assert seen["accept-encoding"] == "gzip"
    assert answer.headers["x-end"] == "yours" and "x-hop" not in answer.headers
    assert "accept-encoding" not in dict(app.get("/headers", headers={**HTML, "Accept-Encoding": "gzip"}).json())


def test_trusted_proxies_are_believed(app, tmp_path):
    other = Dev(app.dir)
    try:
        other.start(TRUSTED_PROXIES="10.0.0.0/8")
        sent = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}
        seen = dict(other.get("/headers", headers=sent).json())
        assert seen["x-forwarded-for"] == "1.2.3.4, 127.0.0.1" and seen["x-forwarded-proto"] == "https"
    finally:
        other.stop()


def test_events_come_as_they_are_sent(app):
    with httpx.stream("GET", app.url + "/events", timeout=30) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert [next(lines).strip() for _ in range(3)] == ["data: 0", "", "data: 1"]


def test_a_client_that_leaves_is_noticed_behind(app):
    raw(app, b"GET /watched HTTP/1.1\r\nHost: a\r\n\r\n", until_closed=False)
    assert app.get("/gone").text == "yes"


def test_an_answer_before_the_end_of_the_question(app):
    got = raw(app, b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n" + b"x" * 8_000_000)
    assert got.startswith(b"HTTP/1.1 413 ") and b"too much" in got


def test_bodies_lengths_and_methods(app):
    assert httpx.post(app.url + "/", content=b"").text == "0"
    assert httpx.post(app.url + "/", content=b"x" * 100_000).text == "100000"
    assert httpx.request("REPORT", app.url + "/").text == "REPORT"
    with socket.create_connection(("127.0.0.1", app.port), timeout=30) as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(b"ok")
        assert s.makefile("rb").read().endswith(b"\r\n\r\n2")


def test_one_connection_serves_many(app):
    with httpx.Client(base_url=app.url) as client:
        for _ in range(20):
            assert client.get("/fragment").status_code == 200
    pipelined = raw(app, b"GET /fragment HTTP/1.1\r\nHost: a\r\n\r\n" * 3
                    + b"GET /fragment HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert pipelined.count(b"HTTP/1.1 200 ") == 4


def test_no_answer_is_a_page_that_says_so(app):
    silent = app.get("/silent")
    assert silent.status_code == 502 and "no answer" in silent.json()["detail"]


def test_a_stream_does_not_hold_a_restart_up(app):
    with httpx.stream("GET", app.url + "/events", timeout=30) as answer:
        lines = answer.iter_lines()
        next(lines)
        before = app.program()
        (app.dir / "pando.conf").write_text("X = 1\n")
        with pytest.raises(httpx.TransportError):
            for _ in lines:
                pass
    until(lambda: app.program() != before)
    assert app.get("/page").status_code == 200


def test_a_get_is_sent_again_after_a_kill(app):
    (app.dir / "died").unlink(missing_ok=True)
    assert app.get("/die-once").text == "alive"
    assert (app.dir / "died").read_text() == "x"


def test_a_post_is_not_sent_again_after_a_kill(app):
    (app.dir / "died").unlink(missing_ok=True)
    told = httpx.post(app.url + "/die", timeout=60)
    assert told.status_code == 502 and "not sent again" in told.json()["detail"]
    assert app.get("/page").status_code == 200
    assert (app.dir / "died").read_text() == "x"


@pytest.fixture
def own(tmp_path):
    """A folder of one's own, with nothing running yet."""
    folder = tmp_path / "own"
    folder.mkdir()
    program = folder / "app"
    program.write_text("#!/bin/sh\nexec /usr/bin/python3 " + str(PROGRAM) + ' "$@"\n')
    program.chmod(0o755)
    (folder / "Makefile").write_text("build:\nprogram:\n\t@echo app\n")
    dev = Dev(folder)
    yield dev
    dev.stop()
    print(dev.log_text()[-4000:])


@pytest.mark.parametrize("method, host", [("GET", "a';id;'b"), ("IT'S", "$(id)")])
def test_the_command_for_curl_is_one_word_each(app, method, host):
    got = raw(app, f"{method} /fault?it's HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    told = json.loads(got.partition(b"\r\n\r\n")[2])
    assert shlex.split(told["curl"]) == ["curl", "-i", "-X", method, f"http://{host}/fault?it's"]


def test_a_program_that_writes_without_end_holds_nobody(own):
    own.start(stderr=subprocess.PIPE)  # a terminal takes its time
    reader = threading.Thread(target=lambda: [time.sleep(0.001) for _ in iter(lambda: os.read(own.process.stderr.fileno(), 4096), b"")])
    reader.start()
    assert own.get("/noise").text == "loud"
    for _ in range(3):
        assert own.get("/fragment").status_code == 200
    own.process.send_signal(signal.SIGINT)
    assert own.process.wait(20) == 0
    reader.join()


def test_a_terminal_that_takes_nothing_holds_nobody(own):
    own.start(stderr=subprocess.PIPE)  # nobody reads it: as with Ctrl-S
    for _ in range(3):
        assert own.get("/noise").text == "loud"
        assert own.get("/fragment").status_code == 200
    own.process.send_signal(signal.SIGTERM)
    assert own.process.wait(20) is not None


def test_a_build_that_says_very_much_is_told_all_the_same(own):
    (own.dir / "Makefile").write_text("build:\n\t@for i in $$(seq 150); do printf 'x.c:%d:1: error: %09000d\\n' $$i 7; done; exit 1\n")
    own.start(wait=False)
    until(lambda: "errors; the page shows them" in own.log_text())
    state = own.states().seen[-1]
    assert state["state"] == "failed" and len(state["problems"]) == 100 and state["problems"][99]["line"] == 100
    page = own.get("/", headers=HTML)
    assert page.status_code == 503 and "x.c:100:1" in page.text


def told(dev, name):
    """Saves a file and waits until its build is told on the terminal."""
    (dev.dir / name).write_text("x")
    until(lambda: f"pando: {name}: built" in dev.log_text())


def test_a_moved_folder_is_known_by_its_new_name_and_forgotten_outside(own, tmp_path):
    (own.dir / "a/deep").mkdir(parents=True)
    own.start()
    told(own, "a/deep/one.txt")
    (own.dir / "a").rename(own.dir / "b")
    until(lambda: "pando: b/deep/one.txt: built" in own.log_text())
    told(own, "b/deep/two.txt")
    (own.dir / "b").rename(tmp_path / "outside")
    told(own, "three.txt")
    (tmp_path / "outside/deep/four.txt").write_text("x")
    told(own, "five.txt")
    assert "four.txt" not in own.log_text()
    (tmp_path / "outside").rename(own.dir / "c")
    until(lambda: "pando: c/deep/" in own.log_text())
    told(own, "c/deep/six.txt")


def test_a_makefile_may_name_another_program(own):
    own.start()
    assert own.get("/fragment").status_code == 200
    before = own.program()
    other = own.dir / "other"
    other.write_bytes((own.dir / "app").read_bytes())
    other.chmod(0o755)
    (own.dir / "Makefile").write_text("build:\nprogram:\n\t@echo other\n")
    until(lambda: own.program() != before)
    assert own.get("/fragment").status_code == 200


def test_a_program_that_is_not_there_is_told(own):
    (own.dir / "app").unlink()
    own.start(wait=False)
    until(lambda: own.get("/").status_code == 503)
    detail = until(lambda: own.get("/").json().get("detail"))
    assert "code 127" in detail, detail
