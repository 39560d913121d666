"""Lookups that many requests make at once: on PostgreSQL one statement finds who is signed in for all of them (`-- batch`)."""
import concurrent.futures

import httpx
import pytest
from conftest import API, ENGINE, Person, problem

PEOPLE, ROUNDS = 12, 40


def test_at_the_same_time_everybody_is_who_they_are(own_server):
    """Each gets their own name, account and transfer, and only that, however many ask at once; who signs out is out at once."""
    own_server.settings["THREADS"] = 1
    own_server.start()
    people = [Person(own_server, f"Person {i}") for i in range(PEOPLE)]
    for person in people:
        person.mine, other = person.account(f"of {person.email}"), person.account("other")
        person.deposit(person.mine, 1000)
        person.made = person.transfer(person.mine, other, 250).json()
    gone = Person(own_server, "Gone")
    copy = dict(gone.http.cookies)

    def ask(person, stranger):
        for _ in range(ROUNDS):
            assert person.get("/me").json()["user"] == person.user
            assert person.get(f"/accounts/{person.mine['id']}").json()["name"] == f"of {person.email}"
            problem(person.get(f"/accounts/{stranger.mine['id']}"), 404)
            assert person.get(f"/transfers/{person.made['id']}").json() == person.made
            problem(person.get(f"/transfers/{stranger.made['id']}"), 404)

    def leave():
        assert gone.get("/me").status_code == 200
        assert gone.post("/logout").status_code == 204
        with httpx.Client(base_url=own_server.url, cookies=copy, timeout=30) as http:
            for _ in range(ROUNDS):
                problem(http.get(API + "/me"), 401)

    with concurrent.futures.ThreadPoolExecutor(PEOPLE + 1) as pool:
        running = [pool.submit(ask, p, people[(i + 1) % PEOPLE]) for i, p in enumerate(people)] + [pool.submit(leave)]
        for each in running:
            each.result()
    if ENGINE == "postgres":
        together, statements = (own_server.figure(f"db_{n}_total") for n in ("batched_reads", "read_batches"))
        assert together >= 2 * statements > 0


def test_a_receipt_is_read_level_by_level(ada):
    one, two = ada.account("One"), ada.account("Two")
    ada.deposit(one, 5000)
    made = ada.transfer(one, two, 1200).json()
    receipt = ada.http.get(f"/transfers/{made['id']}")
    assert receipt.status_code == 200 and "One" in receipt.text and "Two" in receipt.text
    # the member; the transfer, twice; its entries; their accounts; the person of the page's head
    assert int(receipt.headers["x-pando-statements"]) == 6
    entries = ada.get("/transactions").json()["items"]
    assert [(e["account"]["name"], e["amount"]) for e in entries] == [("Two", 1200), ("One", -1200), ("One", 5000)]


@pytest.mark.skipif(ENGINE != "postgres", reason="there is no round trip")
def test_accounts_and_categories_of_a_list_share_a_wait(own_server):
    own_server.start()
    ada = Person(own_server)
    account = ada.account()
    category = ada.post("/categories", name="Work").json()
    for amount in (100, 200):
        entry = ada.deposit(account, amount)
    assert ada.patch(f"/transactions/{entry['id']}", category=category["id"]).status_code == 200
    before = own_server.figure("db_durable_batches_total")  # PostgreSQL: flushes
    for _ in range(20):
        page = ada.get("/transactions")
        assert [e["category"] and e["category"]["name"] for e in page.json()["items"]] == ["Work", None]
        assert page.headers["x-pando-statements"] == "4"
    # the member; the entries; accounts and categories; and now and then the pool asks something
    assert 60 <= own_server.figure("db_durable_batches_total") - before < 70
