"""Sign-up, sign-in, sign-out, and who may ask."""
import uuid

import httpx
import pytest
from conftest import API, PASSWORD, Person, problem, wrong_fields


def signup(server, **changes):
    body = {"email": f"{uuid.uuid4().hex[:10]}@example.com", "password": PASSWORD, "name": "Ada", **changes}
    return httpx.post(server.url + API + "/signup", json=body)


def test_signup_signs_in(server):
    answer = signup(server, name="Grace")
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"user", "org"}
    assert set(body["user"]) == {"id", "email", "name"} and set(body["org"]) == {"id", "name"}
    assert isinstance(body["user"]["id"], str) and body["user"]["name"] == "Grace"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie


def test_email_is_taken_in_any_case(ada, server):
    problem(signup(server, email=ada.email.upper()), 409, "email_taken")


@pytest.mark.parametrize("changes, field", [
    ({"password": "short"}, "password"),
    ({"password": "x" * 5000}, "password"),
    ({"email": "nobody"}, "email"),
    ({"email": ""}, "email"),
    ({"name": ""}, "name"),
    ({"name": 7}, "name"),
    ({"role": "admin"}, "role"),
])
def test_signup_names_the_wrong_field(server, changes, field):
    assert wrong_fields(signup(server, **changes)) == {field}


def test_login_and_me(ada, server):
    with server.client() as http:
        answer = http.post(API + "/login", json={"email": ada.email, "password": PASSWORD})
        assert answer.status_code == 200 and answer.json()["user"] == ada.user
        me = http.get(API + "/me").json()
        assert me["user"] == ada.user and me["org"] == ada.org and me["role"] == "owner"


def test_wrong_password_and_unknown_user_look_alike(ada, server):
    with server.client() as http:
        wrong = http.post(API + "/login", json={"email": ada.email, "password": "wrong password!"})
        nobody = http.post(API + "/login", json={"email": "no@example.com", "password": "wrong password!"})
    assert problem(wrong, 401)["detail"] == problem(nobody, 401)["detail"]


def test_guessing_is_slowed_down(server, own_server):
    own_server.start()
    victim = Person(own_server)
    with own_server.client() as http:
        answers = [http.post(API + "/login", json={"email": victim.email, "password": f"wrong password {i}"})
                   for i in range(30)]
    last = answers[-1]
    assert last.status_code == 429 and int(last.headers["retry-after"]) > 0
    problem(last, 429)
    assert own_server.stop() == 0


@pytest.mark.parametrize("address, slowed", [("2001:db8::{}", True), ("2001:db8:0:{}::1", False), ("::ffff:203.0.113.{}", False)])
def test_a_guest_who_changes_addresses_is_one_guest(own_server, address, slowed):
    own_server.settings["TRUSTED_PROXIES"] = "127.0.0.1"
    own_server.start()
    victim = Person(own_server)
    with own_server.client() as http:
        answers = [http.post(API + "/login", json={"email": victim.email, "password": f"wrong password {i}"},
                             headers={"X-Forwarded-For": address.format(i + 1)}) for i in range(20)]
    assert {a.status_code for a in answers} == ({401, 429} if slowed else {401})
    assert own_server.stop() == 0


def test_not_signed_in(server):
    with server.client() as http:
        for path in ("/me", "/accounts", "/transactions", "/categories", "/reports/monthly?month=2026-01"):
            problem(http.get(API + path), 401)


def test_a_changed_cookie_is_no_cookie(ada, server):
    name, value = next(iter(ada.http.cookies.items()))
    for at in (0, len(value) // 2, len(value) - 1):
        broken = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1:]
        answer = httpx.get(server.url + API + "/me", cookies={name: broken})
        problem(answer, 401)


def test_logout_ends_all_copies_of_the_session(ada, server):
    copy = dict(ada.http.cookies.items())
    assert httpx.get(server.url + API + "/me", cookies=copy).status_code == 200
    assert ada.post("/logout").status_code == 204
    problem(httpx.get(server.url + API + "/me", cookies=copy), 401)
    problem(ada.get("/me"), 401)


def test_logout_leaves_other_sessions_alone(ada, server):
    with server.client() as other:
        assert other.post(API + "/login", json={"email": ada.email, "password": PASSWORD}).status_code == 200
        assert ada.post("/logout").status_code == 204
        assert other.get(API + "/me").status_code == 200


@pytest.mark.parametrize("headers, status", [
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 201),
])
def test_cross_site_writes_are_refused(ada, headers, status):
    answer = ada.http.post(API + "/accounts", json={"name": "x", "currency": "EUR", "kind": "cash"}, headers=headers)
    assert answer.status_code == status


def test_cross_site_reads_are_not_writes(ada):
    assert ada.http.get(API + "/me", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_private_answers_are_private(ada):
    for path in ("/me", "/accounts", "/transactions"):
        assert "private" in ada.get(path).headers["cache-control"] or "no-store" in ada.get(path).headers["cache-control"]
