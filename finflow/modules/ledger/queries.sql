-- --- accounts ------------------------------------------------------------------------------------

-- name: accounts_page :many
select id, org_id, name, currency, kind, shard, balance, created_at
from ledger_account
where org_id = :org_id and id > :after and kind <> 'external'
order by id
limit :limit;

-- name: account_in_org :one
-- batch
select id, org_id, name, currency, kind, shard, balance, created_at
from ledger_account
where id = :id and org_id = :org_id and kind <> 'external';

-- An account whatever its organisation is: for the program's own commands.
-- name: account_by_id :one
select id, org_id, name, currency, kind, shard, balance, created_at
from ledger_account
where id = :id and kind <> 'external';

-- Rows that a transfer will change, in the order in which they are locked.
-- name: accounts_to_change :many
select id, org_id, name, currency, kind, shard, balance, created_at
from ledger_account
where id in (:ids[]) and org_id = :org_id
order by id
-- postgres:  for update
;

-- name: accounts_of_org :many
select id, org_id, name, currency, kind, shard, balance, created_at
from ledger_account
where org_id = :org_id
order by id
-- postgres:  for update
;

-- name: external_account :one
select id, org_id, name, currency, kind, shard, balance, created_at
from ledger_account
where org_id = :org_id and currency = :currency and shard = :shard and kind = 'external';

-- name: external_account_open :exec
insert into ledger_account (org_id, name, currency, kind, shard, balance, created_at)
values (:org_id, 'Outside', :currency, 'external', :shard, 0, :created_at)
on conflict do nothing;

-- name: balance_set :exec
-- batch
update ledger_account set balance = :balance where id = :id;

-- --- transfers and entries -----------------------------------------------------------------------

-- name: transfer_by_key :one
-- batch
select id, org_id, key, from_id, to_id, amount, currency, memo, created_at
from ledger_transfer
where org_id = :org_id and key = :key;

-- Both entries of a transfer at once: what leaves one account arrives at the other.
-- name: entries_add :exec
insert into ledger_entry (org_id, account_id, transfer_id, amount, balance_after, currency, memo,
                          category_id, external, outside, at)
values (:org_id, :from_id, :transfer_id, :taken, :from_balance, :currency, :memo,
        :from_category, :from_external, :to_external, :at),
       (:org_id, :to_id, :transfer_id, :given, :to_balance, :currency, :memo,
        :to_category, :to_external, :from_external, :at);

-- A page of the list: newest first, from just below (at, id) down to just above (floor_at, floor_id).
-- name: entries_page :many
select id, org_id, account_id, transfer_id, amount, balance_after, currency, memo, category_id,
       external, outside, at
from ledger_entry
where org_id = :org_id and not external
-- ?  and account_id = :account_id
-- ?  and category_id = :category_id
  and (at, id) < (:at, :id)
  and (at, id) > (:floor_at, :floor_id)
-- ?  and lower(memo) like :pattern escape '\'
order by at desc, id desc
limit :limit;

-- Where a search stops for now: the entry `skip` places further down the same list.
-- name: entry_further_down :one
-- scan ok: skips a bounded number of index entries
select at, id
from ledger_entry
where org_id = :org_id and not external
-- ?  and account_id = :account_id
-- ?  and category_id = :category_id
  and (at, id) < (:at, :id)
  and (at, id) > (:floor_at, :floor_id)
order by at desc, id desc
limit 1 offset :skip;

-- name: entry_in_org :one
select id, org_id, account_id, transfer_id, amount, balance_after, currency, memo, category_id,
       external, outside, at
from ledger_entry
where id = :id and org_id = :org_id and not external
-- postgres:  for update
;

-- name: entry_set_category :exec
update ledger_entry set category_id = :category_id where id = :id;

-- --- imports -------------------------------------------------------------------------------------

-- Takes one row equal to this one that the run has not met yet; 0 changed: it is a new row.
-- name: import_row_meet :exec
update ledger_import_row set seen_by = :run
where id = (select r.id from ledger_import_row r
            where r.account_id = :account_id and r.day = :day and r.amount = :amount
              and r.memo = :memo and r.seen_by < :run
            order by r.seen_by limit 1);

-- name: import_row_add :exec
insert into ledger_import_row (account_id, day, amount, memo, seen_by)
values (:account_id, :day, :amount, :memo, :run);

-- --- the rules, for `finflow check` --------------------------------------------------------------

-- name: broken_transfers :many
-- scan ok: checks the whole ledger, by hand or at night
select transfer_id, count(*) as "n!", sum(amount) as "total!"
from ledger_entry
group by transfer_id
having count(*) <> 2 or sum(amount) <> 0
limit 20;

-- name: transfers_without_entries :many
-- scan ok: checks the whole ledger, by hand or at night
select t.id
from ledger_transfer t
where not exists (select 1 from ledger_entry e where e.transfer_id = t.id)
limit 20;

-- name: broken_currencies :many
-- scan ok: checks the whole ledger, by hand or at night
select currency, sum(amount) as "total!"
from ledger_entry
group by currency
having sum(amount) <> 0
limit 20;

-- name: broken_balances :many
-- scan ok: checks the whole ledger, by hand or at night
select a.id, a.balance, coalesce(s.total, 0) as "total!"
from ledger_account a
left join (select account_id, sum(amount) as total from ledger_entry group by account_id) s
    on s.account_id = a.id
where a.balance <> coalesce(s.total, 0)
limit 20;

-- name: broken_last_balances :many
-- scan ok: checks the whole ledger, by hand or at night
select a.id, a.balance, e.balance_after
from ledger_account a
join (select account_id, max(id) as last from ledger_entry group by account_id) s
    on s.account_id = a.id
join ledger_entry e on e.id = s.last
where a.balance <> e.balance_after
limit 20;

-- name: accounts_below_zero :many
-- scan ok: checks the whole ledger, by hand or at night
select id, balance
from ledger_account
where balance < 0 and kind <> 'external'
limit 20;
