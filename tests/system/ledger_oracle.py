"""The ledger's rules, checked in the database itself with other programs than ours: an independent oracle."""


def broken_rules(server):
    """The rules that the server's database breaks, as readable lines; [] if it breaks none."""
    broken = []

    def none(rule, sql):
        rows = server.rows(sql + " limit 3")
        if rows:
            broken.append(f"{rule}: {rows}")

    none("each transfer sums to zero", """
        select transfer_id, currency, sum(amount) from ledger_entry
        group by transfer_id, currency having sum(amount) <> 0""")
    none("all entries sum to zero", "select currency, sum(amount) from ledger_entry group by currency having sum(amount) <> 0")
    none("a balance is the sum of its entries", """
        select a.id, a.balance, sum(e.amount) from ledger_account a left join ledger_entry e on e.account_id = a.id
        group by a.id having a.balance <> coalesce(sum(e.amount), 0)""")
    none("a balance is its last balance_after", """
        select a.id, a.balance, e.balance_after from ledger_account a
        join ledger_entry e on e.id = (select max(id) from ledger_entry where account_id = a.id)
        where a.balance <> e.balance_after""")
    none("no balance below zero", "select id, balance from ledger_account where balance < 0 and kind <> 'external'")
    none("each transfer has its two entries", """
        select t.id, count(e.id) from ledger_transfer t left join ledger_entry e on e.transfer_id = t.id
        group by t.id having count(e.id) <> 2""")
    if not server.database.startswith("postgres"):
        none("the file is sound", "select quick_check from pragma_quick_check where quick_check <> 'ok'")
    return broken
