"""The page of a failed request in development, and that nothing of it is seen elsewhere.

The failure is a real one: the database lost a table, or a trigger refuses, behind the program's back.
"""
import html
import re
import shlex
import subprocess

import pytest

from conftest import ENGINE, PASSWORD, ROOT, Server

HTML = {"accept": "text/html,application/xhtml+xml"}
LOGIN = {"email": "ada@example.com", "password": PASSWORD}
KEY = "0123456789abcdef" * 4


def broken(tmp_path, env, sql):
    """A server whose database was changed by a stranger after it was migrated."""
    s = Server(tmp_path, PANDO_ENV=env, SECRET_KEY=KEY)
    assert s.command("migrate").returncode == 0
    s.alter(sql)
    return s.start()


NO_TABLE = "alter table identity_user rename to gone"
NO_SUCH = "no such table: identity_user" if ENGINE == "sqlite" else 'relation "identity_user" does not exist'
REFUSES = ("create trigger refuses before insert on identity_user "
           "begin select raise(abort, 'the trigger says no'); end")
if ENGINE == "postgres":
    REFUSES = ("create function refuses() returns trigger language plpgsql as "
               "$$ begin raise exception 'the trigger says no'; end $$; "
               "create trigger refuses before insert on identity_user execute function refuses()")


@pytest.fixture
def development(tmp_path):
    s = broken(tmp_path, "development", NO_TABLE)
    yield s
    s.stop()


def source_line(path, words):
    text = (ROOT / path).read_text().splitlines()
    return next(n for n, line in enumerate(text, 1) if words in line)


def test_the_page_shows_where_what_and_why(development):
    with development.client() as http:
        answer = http.post("/login", data=LOGIN, headers=HTML)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    line = source_line("finflow/modules/identity/identity.c", "user = identity_user_by_email(c, email)")
    assert NO_SUCH in html.unescape(answer.text)
    assert "<b>PD-RUN-EINTERNAL</b>" in answer.text and "pando explain PD-RUN-EINTERNAL" in answer.text
    assert f"finflow/modules/identity/identity.c:{line}</p>" in answer.text
    assert re.search(rf'<span class="here"> *{line} .*identity_user_by_email', answer.text)
    assert "from identity_user where email = :email" in answer.text
    assert "<th>:email</th><td>'ada@example.com'</td>" in answer.text
    assert re.search(r"<li><b>identity_sign_in</b> .*<li><b>web_take_login</b>", answer.text)
    assert re.search(r'<li class="platform"><b>pd_stmt_one</b>', answer.text)
    assert re.search(r'its lines in the log</h2><pre class="wrap">[^<]*request failed id=' + answer.headers["x-request-id"],
                     answer.text, re.I)


def test_the_page_needs_nothing_inline_and_its_style_is_there(development):
    with development.client() as http:
        page = http.post("/login", data=LOGIN, headers=HTML)
        style = http.get("/_pando/error.css")
    assert "style-src 'self'" in page.headers["content-security-policy"]
    assert "<style" not in page.text and "style=" not in page.text and "<script" not in page.text
    assert style.status_code == 200 and style.headers["content-type"].startswith("text/css")


def test_the_curl_line_sends_the_same_request_again(development):
    with development.client() as http:
        first = http.post("/api/v1/login", json=LOGIN)
    debug = first.json()["debug"]
    words = shlex.split(debug["curl"])
    assert words[0] == "curl"
    again = subprocess.run([*words, "-s"], capture_output=True, text=True, timeout=30).stdout
    assert again.startswith("HTTP/1.1 500") and NO_SUCH in again.replace('\\"', '"')


def test_clients_of_the_api_get_the_same_facts(development):
    with development.client() as http:
        answer = http.post("/api/v1/login", json=LOGIN)
    assert answer.headers["content-type"].startswith("application/problem+json")
    debug = answer.json()["debug"]
    assert debug["code"] == "PD-RUN-EINTERNAL"
    assert debug["statement"]["name"] == "identity.user_by_email"
    assert debug["statement"]["parameters"] == {"email": "'ada@example.com'"}
    assert debug["at"].endswith(":%d" % source_line(
        "finflow/modules/identity/identity.c", "user = identity_user_by_email(c, email)"))
    assert any(f.startswith("identity_sign_in ") for f in debug["stack"])
    assert debug["explain"] == "pando explain PD-RUN-EINTERNAL"


def test_secrets_are_not_among_the_parameters(tmp_path):
    s = broken(tmp_path, "development", REFUSES)
    with s.client() as http:
        answer = http.post("/api/v1/signup", json={**LOGIN, "name": "Ada"})
    s.stop()
    parameters = answer.json()["debug"]["statement"]["parameters"]
    assert parameters["password_hash"] == "(hidden)"
    assert "argon2" not in answer.text
    assert "the trigger says no" in answer.text


@pytest.mark.parametrize("env", ["test", "production"])
@pytest.mark.parametrize("headers", [HTML, {"accept": "application/json"}])
def test_nothing_of_it_is_seen_elsewhere(tmp_path, env, headers):
    s = broken(tmp_path, env, NO_TABLE)
    with s.client() as http:
        answers = [http.post("/login", data=LOGIN, headers=headers),
                   http.post("/api/v1/login", json=LOGIN, headers=headers)]
        style = http.get("/_pando/error.css")
    s.stop()
    for answer in answers:
        assert answer.status_code == 500
        for word in ("identity_user", "no such table", "queries.sql", ".c:", "select ", "pd_stmt",
                     "PD-RUN", "debug", "curl", "ada@example.com"):
            assert word not in answer.text, (word, answer.text)
    assert style.status_code == 404
    assert NO_SUCH in s.log_text().replace('\\"', '"') and "PD-RUN-EINTERNAL" in s.log_text()
