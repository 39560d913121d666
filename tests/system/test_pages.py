"""The pages as a browser without JavaScript has them: links, forms, errors where they belong."""
import re
import uuid

import pytest
from conftest import PASSWORD, Person


def page(http, path, status=200, **params):
    answer = http.get(path, params=params)
    assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def sent(http, path, leads_to, **form):
    """The page that a form leads to."""
    answer = http.post(path, data=form)
    assert answer.status_code == 303, (path, answer.status_code, answer.text[:2000])
    assert re.fullmatch(leads_to, answer.headers["location"]), answer.headers["location"]
    return page(http, answer.headers["location"])


def refused(http, path, *words, status=422, **form):
    answer = http.post(path, data=form)
    assert answer.status_code == status, (path, answer.status_code)
    for word in words:
        assert word in answer.text, word
    return answer.text


def hidden(text, name):
    return re.search(rf'name="{name}"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="{name}"', text).group(1)


@pytest.fixture
def http(server):
    with server.client() as client:
        yield client


def test_the_way_of_a_new_person(server, http):
    email = f"{uuid.uuid4().hex[:10]}@example.com"
    assert "/signup" in page(http, "/") and "/login" in page(http, "/")
    assert 'name="password"' in page(http, "/signup")
    text = refused(http, "/signup", email="nobody", password="short", name="Ada")
    assert 'value="nobody"' in text and "short" not in text and text.count('class="error"') == 2
    assert "Begin with an account" in sent(http, "/signup", "/dashboard", email=email, password=PASSWORD, name="Ada")
    for path in "/", "/login", "/signup":
        assert http.get(path).headers["location"] == "/dashboard"
    sent(http, "/logout", "/")
    assert http.get("/dashboard").headers["location"].startswith("/login")
    refused(http, "/signup", "already", status=409, email=email.upper(), password=PASSWORD, name="Ada")
    refused(http, "/login", "do not match", status=401, email=email, password="wrong password")
    refused(http, "/login", "do not match", status=401, email=email)
    sent(http, "/login", "/dashboard", email=email, password=PASSWORD)
    with server.client() as guesser:
        for _ in range(12):
            last = guesser.post("/login", data={"email": email, "password": "wrong password"})
        assert last.status_code == 429 and int(last.headers["retry-after"]) > 0 and "wait" in last.text


def test_an_account_and_what_is_put_in(ada):
    http = ada.http
    assert "No accounts yet" in page(http, "/accounts")
    form = page(http, "/accounts/new")
    assert '<option value="savings">' in form and '<option value="JPY">' in form
    text = refused(http, "/accounts/new", "EUR", name="Purse", currency="XXX", kind="sock")
    assert 'value="Purse"' in text
    text = sent(http, "/accounts/new", r"/accounts/\d+", name="Purse & <Co>", currency="EUR", kind="cash")
    assert "Purse &amp; &lt;Co&gt;" in text and "Nothing has moved" in text
    account = ada.get("/accounts").json()["items"][0]
    deposit = f"/accounts/{account['id']}/deposit"
    id = hidden(page(http, deposit), "id")
    for wrong in "", "abc", "0", "-1", "1.234", "12,50", "1" * 40:
        refused(http, deposit, "must be an amount", id=id, amount=wrong)
    assert "1,250.50" in sent(http, deposit, f"/accounts/{account['id']}", id=id, amount="1,250.50", memo="pay")
    sent(http, deposit, f"/accounts/{account['id']}", id=id, amount="1,250.50", memo="pay")  # sent twice: once
    assert ada.balance(account) == 125050
    refused(http, deposit, "belongs to another transfer", id=id, amount="3", memo="pay")
    sent(http, deposit, f"/accounts/{account['id']}", id="none", amount="1 000", memo="")
    assert ada.balance(account) == 225050
    assert "Together" in page(http, "/accounts") and "2,250.50" in page(http, "/accounts")


def test_a_transfer_is_confirmed_and_has_a_receipt(ada):
    http = ada.http
    a, b, yen = ada.account("First"), ada.account("Second"), ada.account("Third", "JPY")
    ada.deposit(a, 10000)
    form = page(http, "/transfers/new", **{"from": a["id"]})
    id = hidden(form, "id")
    assert re.search(rf'<option value="{a["id"]}" selected>', form)
    wish = {"id": id, "from": a["id"], "to": b["id"], "amount": "12.50", "memo": "rent"}
    refused(http, "/transfers/new", "must be an amount", **{**wish, "amount": "much"})
    refused(http, "/transfers/new", "choose another account", **{**wish, "to": a["id"]})
    refused(http, "/transfers/new", "another currency", **{**wish, "to": yen["id"]})
    refused(http, "/transfers/new", "choose one of your accounts", **{**wish, "to": "999999999"})
    refused(http, "/transfers/new", "140 characters", **{**wish, "memo": "x" * 141})
    refused(http, "/transfers/new", "not enough money", **{**wish, "amount": "100.01"})
    confirm = http.post("/transfers/new", data=wish)
    assert confirm.status_code == 200 and "87.50" in confirm.text and hidden(confirm.text, "id") == id
    assert ada.balance(b) == 0  # nothing is stored before the last step
    refused(http, "/transfers", "not enough money", **{**wish, "amount": "100.01"})
    refused(http, "/transfers", "must be an amount", **{**wish, "amount": ""})
    receipt = sent(http, "/transfers", f"/transfers/{id}", **wish)
    assert "First" in receipt and "Second" in receipt and "12.50" in receipt and "rent" in receipt
    sent(http, "/transfers", f"/transfers/{id}", **wish)  # sent twice: once
    assert (ada.balance(a), ada.balance(b)) == (8750, 1250)
    refused(http, "/transfers", "belongs to another transfer", **{**wish, "memo": "other"})


def test_transactions_are_filtered_and_categorised(ada):
    http = ada.http
    a, b = ada.account("Spend"), ada.account("Save")
    for i in range(60):
        ada.deposit(a, 100 + i, memo=f"pay {i}")
    ada.deposit(b, 7, memo="100% & more")
    sent(http, "/categories", "/categories", name="Food")
    first = page(http, "/transactions")
    more = re.search(r'id="more"[^>]*href="([^"]+)"|href="([^"]+)"[^>]*id="more"', first)
    url = (more.group(1) or more.group(2)).replace("&amp;", "&")
    assert first.count('class="memo"') == 50 and page(http, url).count('class="memo"') == 11
    assert page(http, "/transactions", q="100% &").count('class="memo"') == 1
    assert page(http, "/transactions", account=b["id"]).count('class="memo"') == 1
    assert page(http, "/transactions", **{"from": "2000-01-01", "to": "2000-12-31"}).count('class="memo"') == 0
    text = page(http, "/transactions", 422, **{"from": "yesterday"})
    assert "could not be read" in text and 'value="yesterday"' in text
    entry = ada.get("/transactions", account=b["id"]).json()["items"][0]["id"]
    food = ada.get("/categories").json()["items"][0]["id"]
    back = f"/transactions?account={b['id']}"
    text = sent(http, f"/transactions/{entry}/category", re.escape(back), category=food, back=back)
    assert re.search(rf'<option value="{food}" selected>', text)
    sent(http, f"/transactions/{entry}/category", "/transactions", category=food, back="https://evil.example/")
    assert page(http, "/transactions", category=food).count('class="memo"') == 1


def test_categories_are_added_once(ada):
    http = ada.http
    assert "None yet" in page(http, "/categories")
    text = sent(http, "/categories/usual", "/categories")
    assert "Groceries" in text and text.index("Clothes") < text.index("Travel")
    before = len(ada.get("/categories").json()["items"])
    sent(http, "/categories/usual", "/categories")
    assert len(ada.get("/categories").json()["items"]) == before
    refused(http, "/categories", "already", status=409, name="Groceries")
    assert 'aria-invalid="true"' in refused(http, "/categories", name="")


def test_pages_of_categories_follow_each_other(ada):
    for i in range(5):
        assert ada.post("/categories", name=f"C{i}").status_code == 201
    names, cursor = [], None
    while True:
        got = ada.get("/categories", limit=2, **({"cursor": cursor} if cursor else {})).json()
        names += [c["name"] for c in got["items"]]
        cursor = got["next_cursor"]
        if not cursor:
            break
    assert names == [f"C{i}" for i in range(5)]
    for wrong in {"cursor": "x" * 30}, {"limit": 0}:
        assert ada.get("/categories", **wrong).status_code == 422
    assert ada.post("/categories", name="C0").status_code == 409
    assert ada.post("/categories").status_code == 422


def test_reports_of_months_and_currencies(ada):
    http = ada.http
    assert "/reports" in page(http, "/reports")
    a, yen = ada.account("A"), ada.account("Y", "JPY")
    ada.deposit(a, 1234567)
    ada.deposit(yen, 500)
    assert "12,345.67" in page(http, "/reports")
    assert "500" in page(http, "/reports", currency="JPY") and "12,345.67" not in page(http, "/reports", currency="JPY")
    assert "January 2020" in page(http, "/reports", month="2020-01")
    this = re.search(r"<h1[^>]*>([^<]*)", page(http, "/reports")).group(1)
    for wrong in "2020-13", "soon", "2020-1", "":
        assert re.search(r"<h1[^>]*>([^<]*)", page(http, "/reports", month=wrong)).group(1) == this
    for wrong in {"month": "2020-13"}, {"month": "2020-01", "currency": "ZZZ"}, {}:
        assert ada.get("/reports/monthly", **wrong).status_code == 422


def test_a_demo_that_fails_half_way_leaves_nothing(own_server):
    assert own_server.command("migrate").returncode == 0
    own_server.alter("alter table ledger_entry rename to ledger_away")
    assert own_server.command("seed", "--demo").returncode != 0
    assert own_server.rows("select count(*) from identity_user") == [(0,)]
    own_server.alter("alter table ledger_away rename to ledger_entry")
    assert "made the demo person" in own_server.command("seed", "--demo").stdout


def test_the_overview_of_a_year(own_server):
    assert "made the demo person" in own_server.command("seed", "--demo").stdout
    again = own_server.command("seed", "--demo")
    assert again.returncode == 0 and "there already" in again.stdout
    assert own_server.command("check").returncode == 0
    own_server.start()
    with own_server.client() as http:
        text = sent(http, "/login", "/dashboard", email="demo@example.com", password=PASSWORD)
        assert "Balance over twelve months" in text and "In and out" in text
        line = re.search(r'class="stroke" d="([^"]+)"', text).group(1)
        points = re.findall(r"[ML](\d+) (-?\d+)", line)
        assert len(points) == 366 and [int(x) for x, _ in points] == sorted(int(x) for x, _ in points)
        assert all(0 <= int(x) <= 720 and 0 <= int(y) <= 200 for x, y in points)
        assert len({y for _, y in points}) > 20  # the balance moves
        report = page(http, "/reports")
        previous = re.search(r'href="(/reports\?month=[^"]+)"', report).group(1)
        text = page(http, previous.replace("&amp;", "&"))
        assert "Salary" in text and "Groceries" in text
        heights = [int(h) for h in re.findall(r'<rect class="in"[^>]*height="(\d+)"', text)]
        assert 28 <= len(heights) <= 31 and max(heights) > 0
    assert own_server.stop() == 0
