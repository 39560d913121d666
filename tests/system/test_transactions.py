"""The transaction list, categories and the monthly report."""
from datetime import datetime, timezone

from conftest import problem


def statements(answer):
    return int(answer.headers["x-pando-statements"])


def fill(person, n=12):
    a, b = person.account("Current"), person.account("Savings", kind="savings")
    person.deposit(a, 100_000, "salary")
    for i in range(n):
        assert person.transfer(a, b, 10 + i, memo=f"transfer {i}").status_code == 201
    return a, b


def test_newest_first_with_account_and_running_balance(ada):
    a, b = fill(ada, 3)
    items = ada.get("/transactions", account=a["id"]).json()["items"]
    assert [t["memo"] for t in items] == ["transfer 2", "transfer 1", "transfer 0", "salary"]
    assert set(items[0]) == {"id", "account", "amount", "currency", "memo", "category", "balance_after", "at"}
    assert items[0]["account"] == {"id": a["id"], "name": "Current"}
    assert items[0]["amount"] == -12 and items[0]["category"] is None
    assert items[0]["balance_after"] == 100_000 - 10 - 11 - 12
    assert sum(t["amount"] for t in items) == ada.balance(a)


def test_external_accounts_are_not_listed(ada):
    a, b = fill(ada, 1)
    names = {t["account"]["name"] for t in ada.get("/transactions").json()["items"]}
    assert names == {"Current", "Savings"}
    assert {x["name"] for x in ada.get("/accounts").json()["items"]} == {"Current", "Savings"}


def test_every_entry_exactly_once_over_pages(ada):
    fill(ada, 12)
    everything = ada.get("/transactions", limit=200).json()["items"]
    seen, cursor = [], None
    while True:
        page = ada.get("/transactions", limit=4, **({"cursor": cursor} if cursor else {})).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [t["id"] for t in seen] == [t["id"] for t in everything] and len(seen) == 25


def test_bad_parameters(ada, bob):
    for params in ({"limit": 0}, {"limit": 201}, {"limit": "x"}, {"from": "yesterday"}, {"nonsense": 1}):
        assert ada.get("/transactions", **params).status_code in (400, 422)
    problem(ada.get("/transactions", cursor="forged"), 422)
    fill(ada, 3)
    cursor = ada.get("/transactions", limit=1).json()["next_cursor"]
    problem(ada.get("/transactions", cursor=cursor[:-2] + "AA"), 422)


def test_filters(ada):
    a, b = fill(ada, 3)
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    assert len(ada.get("/transactions", account=b["id"]).json()["items"]) == 3
    assert len(ada.get("/transactions", q="transfer 1").json()["items"]) == 2
    assert len(ada.get("/transactions", q="TRANSFER 1").json()["items"]) == 2
    assert len(ada.get("/transactions", **{"from": today}).json()["items"]) == 7
    assert ada.get("/transactions", to="2020-01-01").json()["items"] == []


def test_categories(ada, bob):
    a, b = fill(ada, 2)
    food = ada.post("/categories", name="Groceries")
    assert food.status_code == 201 and set(food.json()) >= {"id", "name"}
    problem(ada.post("/categories", name="Groceries"), 409)
    category = food.json()
    assert category["id"] in {c["id"] for c in ada.get("/categories").json()["items"]}
    entry = ada.get("/transactions", account=a["id"]).json()["items"][0]
    changed = ada.patch(f"/transactions/{entry['id']}", category=category["id"])
    assert changed.status_code == 200
    assert changed.json()["category"] == {"id": category["id"], "name": "Groceries"}
    assert [t["id"] for t in ada.get("/transactions", category=category["id"]).json()["items"]] == [entry["id"]]
    assert ada.patch(f"/transactions/{entry['id']}", category=None).json()["category"] is None
    problem(bob.patch(f"/transactions/{entry['id']}", category=category["id"]), 404)
    theirs = bob.post("/categories", name="Theirs").json()
    assert ada.patch(f"/transactions/{entry['id']}", category=theirs["id"]).status_code in (404, 422)


def test_constant_number_of_statements(ada):
    a, b = fill(ada, 60)
    food, fun = (ada.post("/categories", name=n).json() for n in ("Food", "Fun"))
    for i, t in enumerate(ada.get("/transactions", limit=100).json()["items"]):
        if i % 3 != 1:  # the first page of one has an account and a category, too
            assert ada.patch(f"/transactions/{t['id']}", category=(food, fun)[i % 2]["id"]).status_code == 200
    one, hundred = ada.get("/transactions", limit=1), ada.get("/transactions", limit=100)
    assert len(one.json()["items"]) == 1 and len(hundred.json()["items"]) == 100
    assert statements(one) == statements(hundred) <= 6
    two = ada.get("/transactions", limit=4)
    assert statements(two) == statements(hundred)


def test_monthly_report_is_right_at_once(ada):
    month = datetime.now(timezone.utc).strftime("%Y-%m")
    empty = ada.get("/reports/monthly", month=month).json()
    assert empty["income"] == 0 and empty["spending"] == 0
    a, b = fill(ada, 1)
    report = ada.get("/reports/monthly", month=month).json()
    assert set(report) >= {"month", "currency", "income", "spending", "by_category", "by_day", "as_of"}
    assert report["month"] == month and report["income"] == 100_000
    ada.deposit(a, 500)
    assert ada.get("/reports/monthly", month=month).json()["income"] == 100_500
    for bad in ("2026-13", "2026", "x", "2026-1"):
        assert ada.get("/reports/monthly", month=bad).status_code in (400, 422)


def test_a_category_that_is_none_leaves_the_entry_as_it_is(ada):
    a = ada.account("A")
    ada.deposit(a, 100)
    category = ada.post("/categories", name=f"Food {a['id']}").json()["id"]
    entry = ada.get("/transactions", account=a["id"]).json()["items"][0]["id"]
    page = f"/transactions/{entry}/category"
    assert ada.http.post(page, data={"category": category}).status_code == 303
    for wrong in "abc", "0x1", "999999999":
        assert ada.http.post(page, data={"category": wrong}).status_code == 404
    assert ada.get("/transactions", account=a["id"]).json()["items"][0]["category"]["id"] == category
    assert ada.http.post(page, data={"category": ""}).status_code == 303
    assert ada.get("/transactions", account=a["id"]).json()["items"][0]["category"] is None
