-- Double entry, append-only. A transfer is one fact; its two entries say what it did to the accounts.

-- Money that comes from outside or goes there passes through the organisation's external accounts:
-- the only ones that may be below zero. There are several per currency, so that they are no hot row.
create table ledger_account (
    id id,
    org_id xref(identity_org) not null,
    name text not null,
    currency text not null,
    kind text not null check (kind in ('checking', 'savings', 'card', 'cash', 'external')),
    shard int not null, -- of external accounts; 0 otherwise
    balance money not null,
    created_at ts not null,
    check (balance >= 0 or kind = 'external')
);
create index ledger_account_org on ledger_account (org_id, id);
create unique index ledger_account_external on ledger_account (org_id, currency, shard)
    where kind = 'external';

-- `key` is the client's id of the transfer, unique within the organisation only: whether another
-- organisation uses the same one cannot be found out.
create table ledger_transfer (
    id id,
    org_id xref(identity_org) not null,
    key uuid not null,
    from_id ref(ledger_account) not null, -- no index: accounts are never deleted
    to_id ref(ledger_account) not null, -- no index: accounts are never deleted
    amount money not null check (amount > 0),
    currency text not null,
    memo text not null,
    created_at ts not null,
    unique (org_id, key)
);

-- Nothing of an entry ever changes but its category. `external`: of an external account, shown to
-- nobody. `outside`: of an account whose other side is external, so it is income or spending.
create table ledger_entry (
    id id,
    org_id xref(identity_org) not null,
    account_id ref(ledger_account) not null, -- no index: accounts are never deleted
    transfer_id ref(ledger_transfer) not null,
    amount money not null check (amount <> 0),
    balance_after money not null,
    currency text not null,
    memo text not null,
    category_id xref(insights_category),
    external bool not null,
    outside bool not null,
    at ts not null
);
-- One index for each way to filter the list, each in the order of the list: a page is always one
-- short range of one index, whatever the size of the table.
create index ledger_entry_newest on ledger_entry (org_id, at desc, id desc)
    where not external;
create index ledger_entry_account on ledger_entry (org_id, account_id, at desc, id desc)
    where not external;
create index ledger_entry_category on ledger_entry (org_id, category_id, at desc, id desc)
    where not external and category_id is not null;
create index ledger_entry_account_category
    on ledger_entry (org_id, account_id, category_id, at desc, id desc)
    where not external and category_id is not null;
create index ledger_entry_transfer on ledger_entry (transfer_id);

-- One run of an import. Rows that it has met carry its id in `seen_by`.
create table ledger_import (
    id id,
    org_id xref(identity_org) not null,
    account_id ref(ledger_account) not null, -- no index: accounts are never deleted
    file text not null,
    started_at ts not null
);

-- What was imported, once per row of a bank's statement. The n-th of several equal rows meets the
-- n-th of them here, because a run takes only those that it has not seen yet.
create table ledger_import_row (
    id id,
    account_id ref(ledger_account) not null,
    day date not null,
    amount money not null,
    memo text not null,
    seen_by ref(ledger_import) not null -- no index: imports are never deleted
);
create index ledger_import_row_equals
    on ledger_import_row (account_id, day, amount, memo, seen_by);
