"""Who may ask what, for every route that there is."""
import re

import httpx
import pytest
from conftest import API, Person

FOR_EVERYBODY = {"/", "/signup", "/login", "/logout", "/up", "/livez", "/readyz", "/metrics",
                 "/_pando/bottleneck",
                 API + "/signup", API + "/login", API + "/logout"}


def routes(server):
    """(method, path with something in place of its parameters, who may ask) of each."""
    for line in server.command("routes").stdout.splitlines():
        method, pattern, _, who = (line[a:b].strip() for a, b in ((0, 7), (8, 52), (53, 63), (64, 71)))
        path = re.sub(r"\{\w+:id\}", "1", pattern)
        path = re.sub(r"\{\w+:uuid\}", "00000000-0000-4000-8000-000000000000", path)
        assert "{" not in path, pattern
        yield method, path, who


def test_what_needs_nobody_is_known(server):
    assert {path for _, path, who in routes(server) if not who} == FOR_EVERYBODY


def test_nobody_gets_past_any_other_route(server):
    for method, path, who in routes(server):
        if not who:
            continue
        answer = httpx.request(method, server.url + path)
        if path.startswith("/api/"):
            assert answer.status_code == 401, (method, path)
        else:
            assert answer.status_code == 303 and answer.headers["location"].startswith("/login"), (method, path)


@pytest.fixture
def viewer(own_server):
    own_server.start()
    ada = Person(own_server)
    account = ada.account("A")
    ada.deposit(account, 100)
    own_server.stop()
    own_server.alter("update identity_member set role = 'viewer'")
    own_server.start()
    return ada


def test_a_viewer_reads_and_writes_nothing(own_server, viewer):
    asked = 0
    for method, path, who in routes(own_server):
        if who == "writer":
            assert viewer.http.request(method, path).status_code == 403, (method, path)
            asked += 1
        elif who == "user":
            assert viewer.http.request(method, path).status_code in (200, 404, 422), (method, path)
    assert asked >= 10
    assert viewer.get("/transactions").json()["items"][0]["amount"] == 100
