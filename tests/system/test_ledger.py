"""Accounts, deposits, transfers: money is never wrong."""
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from conftest import API, Person, problem, wrong_fields


def test_account_shape(ada):
    account = ada.account("Current", "EUR", "checking")
    assert set(account) == {"id", "name", "currency", "kind", "balance", "created_at"}
    assert account["balance"] == 0 and isinstance(account["id"], str)
    assert account["created_at"].endswith("Z")
    assert ada.get(f"/accounts/{account['id']}").json() == account


@pytest.mark.parametrize("changes, field", [
    ({"currency": "XXQ"}, "currency"), ({"currency": "eur"}, "currency"), ({"kind": "loan"}, "kind"),
    ({"name": ""}, "name"), ({"name": "x" * 500}, "name"), ({"balance": 5}, "balance"),
])
def test_wrong_account(ada, changes, field):
    body = {"name": "Current", "currency": "EUR", "kind": "checking", **changes}
    assert wrong_fields(ada.http.post(API + "/accounts", json=body)) == {field}


def test_accounts_are_listed_with_a_cursor(ada):
    made = [ada.account(f"A{i}")["id"] for i in range(7)]
    seen, cursor = [], None
    while True:
        page = ada.get("/accounts", limit=3, **({"cursor": cursor} if cursor else {})).json()
        seen += [a["id"] for a in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 3
    assert sorted(seen) == sorted(made) and len(seen) == 7


def test_deposit(ada):
    account = ada.account()
    ada.deposit(account, 1250)
    assert ada.balance(account) == 1250
    for amount in (0, -5, 10**15 + 1):
        assert wrong_fields(ada.post(f"/accounts/{account['id']}/deposits", amount=amount, memo="x")) == {"amount"}
    for amount in (1.5, "12", None):
        assert wrong_fields(ada.post(f"/accounts/{account['id']}/deposits", amount=amount, memo="x")) == {"amount"}
    assert ada.balance(account) == 1250


def test_transfer(ada):
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 1000)
    id = str(uuid.uuid4())
    answer = ada.transfer(a, b, 400, id=id, memo="rent")
    assert answer.status_code == 201
    body = answer.json()
    assert {k: body[k] for k in ("id", "from", "to", "amount", "currency", "memo")} == {
        "id": id, "from": a["id"], "to": b["id"], "amount": 400, "currency": "EUR", "memo": "rent"}
    assert (ada.balance(a), ada.balance(b)) == (600, 400)
    assert ada.get(f"/transfers/{id}").json() == body


def test_the_same_transfer_twice_is_one(ada):
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 1000)
    id = str(uuid.uuid4())
    first = ada.transfer(a, b, 400, id=id)
    second = ada.transfer(a, b, 400, id=id)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    problem(ada.transfer(a, b, 401, id=id), 422, "idempotency_mismatch")
    problem(ada.transfer(b, a, 400, id=id), 422, "idempotency_mismatch")
    assert ada.balance(a) == 600


def test_a_thousand_repeats_make_one_transfer(ada, server):
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 1000)
    id = str(uuid.uuid4())
    body = {"id": id, "from": a["id"], "to": b["id"], "amount": 7, "currency": "EUR"}
    cookies = dict(ada.http.cookies.items())

    def repeat(_):
        with httpx.Client(base_url=server.url, cookies=cookies, timeout=60) as http:
            return [http.post(API + "/transfers", json=body).status_code for _ in range(50)]

    with ThreadPoolExecutor(20) as pool:
        codes = [code for codes in pool.map(repeat, range(20)) for code in codes]
    assert len(codes) == 1000 and codes.count(201) == 1 and codes.count(200) == 999
    assert (ada.balance(a), ada.balance(b)) == (993, 7)


def test_transfer_without_memo(ada):
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 10)
    answer = ada.post("/transfers", id=str(uuid.uuid4()), to=b["id"], amount=3, currency="EUR", **{"from": a["id"]})
    assert answer.status_code == 201


def test_refused_transfers_change_nothing(ada):
    a, b, usd = ada.account("A"), ada.account("B"), ada.account("C", "USD")
    ada.deposit(a, 100)
    problem(ada.transfer(a, b, 101), 422, "insufficient_funds")
    problem(ada.transfer(a, a, 5), 422)
    problem(ada.transfer(a, b, 0), 422)
    problem(ada.transfer(a, b, -5), 422)
    problem(ada.transfer(a, usd, 5), 422)
    problem(ada.transfer(a, b, 5, currency="USD"), 422)
    assert wrong_fields(ada.transfer(a, b, 5, id="not-a-uuid")) == {"id"}
    assert (ada.balance(a), ada.balance(b), ada.balance(usd)) == (100, 0, 0)


def test_nothing_of_another_org_can_be_seen(ada, bob):
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 100)
    theirs = bob.account("T")
    id = ada.transfer(a, b, 5).json()["id"]
    problem(bob.get(f"/accounts/{a['id']}"), 404)
    problem(bob.get(f"/transfers/{id}"), 404)
    problem(bob.post(f"/accounts/{a['id']}/deposits", amount=5, memo="x"), 404)
    problem(bob.transfer(a, theirs, 5), 404)
    problem(bob.transfer(theirs, a, 5), 404)
    problem(ada.transfer(a, theirs, 5), 404)
    assert all(t["account"]["id"] != a["id"] for t in bob.get("/transactions").json()["items"])
    # Bob uses the id of Ada's transfer for his own accounts: he must not learn that it exists.
    mine, other = bob.account("M"), bob.account("O")
    bob.deposit(mine, 50)
    assert bob.transfer(mine, other, 5, id=id).status_code == 201
    assert ada.get(f"/transfers/{id}").json()["amount"] == 5


def test_no_page_of_another_org_can_be_seen(ada, bob):
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 100)
    id = ada.transfer(a, b, 5).json()["id"]
    entry = ada.get("/transactions").json()["items"][0]["id"]
    category = ada.post("/categories", name="Mine").json()["id"]
    for path in f"/accounts/{a['id']}", f"/accounts/{a['id']}/deposit", f"/transfers/{id}":
        assert ada.http.get(path).status_code == 200
        assert bob.http.get(path).status_code == 404
    forms = [(f"/accounts/{a['id']}/deposit", {"amount": "1.00"}), (f"/transactions/{entry}/category", {"category": category})]
    for path, form in forms:
        assert bob.http.post(path, data=form).status_code == 404
    mine, other = bob.account("M"), bob.account("O")
    bob.deposit(mine, 50)
    wish = {"from": a["id"], "to": other["id"], "amount": "0.05"}
    assert bob.http.post("/transfers", data=wish).status_code == 422
    own = bob.get("/transactions").json()["items"][0]["id"]
    assert bob.http.post(f"/transactions/{own}/category", data={"category": category}).status_code == 404
    assert (ada.balance(a), ada.balance(b), bob.balance(mine)) == (95, 5, 50)


def test_a_balance_has_a_limit_that_sums_can_hold(own_server):
    own_server.start()
    ada = Person(own_server)
    accounts = [ada.account("Rich"), ada.account("Richer")]
    for account in accounts:
        for _ in range(10):
            ada.deposit(account, 10**15)
        answer = ada.post(f"/accounts/{account['id']}/deposits", amount=10**15, memo="x")
        problem(answer, 422, "balance_limit")
        assert ada.balance(account) == 10**16
    assert "200,000,000,000,000.00" in ada.http.get("/accounts").text


@pytest.mark.parametrize("id", ["0", "999999999", "x", "-1", "99999999999999999999"])
def test_absent_accounts(ada, id):
    problem(ada.get(f"/accounts/{id}"), 404)


def test_concurrent_transfers_never_overdraw(ada, server):
    a, b = ada.account("A"), ada.account("B")
    ada.deposit(a, 100)
    cookies = dict(ada.http.cookies.items())

    def spend(_):
        with httpx.Client(base_url=server.url, cookies=cookies, timeout=60) as http:
            return http.post(API + "/transfers", json={
                "id": str(uuid.uuid4()), "from": a["id"], "to": b["id"], "amount": 7, "currency": "EUR"}).status_code

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(spend, range(64)))
    assert codes.count(201) == 14 and codes.count(422) == 50
    assert (ada.balance(a), ada.balance(b)) == (2, 98)
