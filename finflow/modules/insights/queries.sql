-- name: categories_page :many
select id, org_id, name, created_at
from insights_category
where org_id = :org_id and id > :after
order by id
limit :limit;

-- name: category_in_org :one
select id, org_id, name, created_at
from insights_category
where id = :id and org_id = :org_id;

-- name: day_add :exec
insert into insights_day (org_id, currency, day, category_id, income, spending)
values (:org_id, :currency, :day, :category_id, :income, :spending)
on conflict (org_id, currency, day, category_id) do update set
    income = insights_day.income + excluded.income,
    spending = insights_day.spending + excluded.spending;

-- name: by_category :many
select category_id, sum(income) as "income!", sum(spending) as "spending!"
from insights_day
where org_id = :org_id and currency = :currency and day >= :first and day < :next
group by category_id;

-- name: by_day :many
select day, sum(income) as "income!", sum(spending) as "spending!"
from insights_day
where org_id = :org_id and currency = :currency and day >= :first and day < :next
group by day
order by day;

-- The currency of a report that does not name one.
-- name: first_currency :one
select id, org_id, currency, day, category_id, income, spending
from insights_day
where org_id = :org_id
order by org_id, currency, day, category_id
limit 1;
