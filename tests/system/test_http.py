"""What every answer keeps, whatever the endpoint."""
import concurrent.futures
import re
import socket

import httpx
import pytest
from conftest import API, ENGINE, one_clear_line, problem


def raw(server, data, timeout=10):
    with socket.create_connection(("127.0.0.1", server.port), timeout) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while piece := s.recv(65536):
            got += piece
    return got


def test_health(server):
    with server.client() as http:
        assert http.get("/up").status_code == 200
        assert http.get("/livez").status_code == 200
        ready = http.get("/readyz")
        assert ready.status_code == 200
        how = re.fullmatch(r"ok\n(?:database: (\d+) of at most (\d+) connections\n)?", ready.text)
        assert how and bool(how[1]) == (ENGINE == "postgres")
        assert not how[1] or 1 <= int(how[1]) <= int(how[2])


def test_metrics(server):
    with server.client() as http:
        http.get("/up")
        answer = http.get("/metrics")
    assert answer.status_code == 200
    assert "# TYPE" in answer.text and "http_requests" in answer.text


def metric(at, name, **labels):
    """The value of a line of /metrics; None if there is none."""
    with at.client() as http:
        for line in http.get("/metrics").text.splitlines():
            if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rsplit(" ", 1)[1])
    return None


def test_metrics_of_statements(ada, server):
    account = ada.account()
    deposits = metric(server, "db_statement_total", statement="ledger.entries_add", server="primary") or 0
    ada.deposit(account, 500)
    assert metric(server, "db_statement_total", statement="ledger.entries_add", server="primary") == deposits + 1
    assert metric(server, "db_statement_duration_seconds_count", statement="ledger.entries_add") == deposits + 1
    assert metric(server, "db_statement_duration_seconds_bucket", statement="ledger.entries_add", le="+Inf") == deposits + 1
    assert metric(server, "db_statement_rows_total", statement="ledger.entries_add") == 2 * (deposits + 1)
    assert metric(server, "db_statement_total", statement="pando.commit", server="primary") > 0


def bottleneck(at, **params):
    answer = at.client().get("/_pando/bottleneck", params=params)
    return answer.status_code, answer.text


def test_where_the_time_goes_is_one_sentence(ada, server):
    status, text = bottleneck(server, seconds=1)
    assert status == 200 and text.startswith("Too little happens to say: 0 requests in 1.")
    assert text.endswith(".\n") and text.count("\n") == 1
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        asked = other.submit(bottleneck, server, seconds=2)
        while not asked.done():
            ada.get("/me")
        status, text = asked.result()
    assert status == 200 and "Too little" not in text
    assert "request time" in text or "requests of" in text or "CPU" in text


@pytest.mark.parametrize("seconds", ["0", "61", "x", "-1"])
def test_how_long_to_look_has_limits(server, seconds):
    status, text = bottleneck(server, seconds=seconds)
    assert status == 400 and "from 1 to 60" in text


def test_in_production_the_sentence_wants_the_token(own_server):
    token = "t" * 16
    own_server.settings.update(PANDO_ENV="production", SECRET_KEY="k" * 32, METRICS_TOKEN=token, HOST="127.0.0.1")
    assert own_server.command("migrate").returncode == 0
    own_server.start()
    with own_server.client() as http:
        assert http.get("/_pando/bottleneck", params={"seconds": 1}).status_code == 401
        allowed = http.get("/_pando/bottleneck", params={"seconds": 1}, headers={"Authorization": f"Bearer {token}"})
    assert allowed.status_code == 200
    said = own_server.command("status")
    assert said.returncode == 0 and said.stdout.startswith("Too little happens to say"), said.stderr
    own_server.settings["METRICS_TOKEN"] = "another" * 3
    one_clear_line(own_server.command("status"), "METRICS_TOKEN")


def test_status_without_a_server_says_so(own_server):
    said = own_server.command("status")
    one_clear_line(said, f"no server answers at 127.0.0.1:{own_server.port}")
    assert said.returncode == 69


def test_absent_path(server):
    with server.client() as http:
        problem(http.get(API + "/nothing"), 404)
        page = http.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404 and page.headers["content-type"].startswith("text/html")


def test_wrong_method_says_which_are_allowed(ada):
    answer = ada.http.request("DELETE", API + "/me")
    problem(answer, 405)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("body, content_type, status", [
    (b"{", "application/json", 400),
    (b"{}x", "application/json", 400),
    (b'{"name":"a","name":"b"}', "application/json", 422),
    (b'{"name":"\xff"}', "application/json", 400),
    (b"", "application/json", 400),
    (b"name=x", "text/plain", 415),
    (b"[]", "application/json", 422),
    (b"{}", "application/json", 422),
    (b'{"name":"' + b"a" * (2 << 20) + b'"}', "application/json", 413),
])
def test_bad_bodies(ada, body, content_type, status):
    answer = ada.http.post(API + "/accounts", content=body, headers={"Content-Type": content_type})
    problem(answer, status)


def test_security_headers(server):
    with server.client() as http:
        headers = http.get("/").headers
    policy = headers["content-security-policy"]
    assert "unsafe-inline" not in policy and "unsafe-eval" not in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "referrer-policy" in headers


def test_security_headers_may_be_left_to_a_named_proxy(own_server):
    own_server.settings["SECURITY_HEADERS"] = "proxy"
    one_clear_line(own_server.command("serve"), "TRUSTED_PROXIES")
    own_server.settings["TRUSTED_PROXIES"] = "127.0.0.1"
    own_server.start()
    with own_server.client() as http:
        headers = http.get("/login").headers
    assert "content-security-policy" not in headers and "referrer-policy" not in headers
    assert headers["cache-control"] and headers["x-request-id"]


def test_head_has_the_headers_of_get_and_no_body(server):
    with server.client() as http:
        head, get = http.head("/login"), http.get("/login")
    assert head.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"]


def test_pipelined_requests_are_answered_in_order(server):
    got = raw(server, b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n" * 15 + b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.count(b"HTTP/1.1 200") == 15
    assert got.rindex(b"HTTP/1.1 404") > got.rindex(b"HTTP/1.1 200")


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
])
def test_ambiguous_requests_are_refused(server, request_bytes, status):
    got = raw(server, request_bytes)
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in got.lower()


@pytest.mark.parametrize("path", ["/%00", "/..%2fetc", "/%zz", "/a%5cb", "/%c0%ae", "/../x", "/a/./b"])
def test_paths_that_could_be_read_in_two_ways_are_refused(server, path):
    got = raw(server, b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
    assert got.startswith(b"HTTP/1.1 400 ")


def test_assets_are_immutable_and_compressed(server):
    with server.client() as http:
        page = http.get("/login").text
        at = page.index("/assets/app-")
        url = page[at:page.index('"', at)]
        css = http.get(url, headers={"Accept-Encoding": "br"})
        assert css.status_code == 200 and "immutable" in css.headers["cache-control"]
        assert css.headers["vary"].lower() == "accept-encoding"
        again = http.get(url, headers={"If-None-Match": css.headers["etag"], "Accept-Encoding": "br"})
        assert again.status_code == 304
        assert http.get(url.replace(".css", "x.css")).status_code == 404


@pytest.mark.skipif(ENGINE != "sqlite", reason="a PostgreSQL can really be away: test_start, test_database_restart")
def test_a_process_without_its_database_is_alive_but_not_ready(own_server):
    own_server.settings["PANDO_FAULTS"] = "data_read:60:forever"
    own_server.start()
    answers = [httpx.get(own_server.url + "/readyz") for _ in range(70)]
    assert answers[-1].status_code == 503 and answers[-1].headers["retry-after"] == "1"
    assert "database" in answers[-1].text
    assert httpx.get(own_server.url + "/livez").status_code == 200
    assert httpx.get(own_server.url + "/up").status_code == 200
    assert own_server.stop() == 0
