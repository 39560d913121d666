-- Statements that are right, one for each thing that gen understands.

-- name: customer_by_id :one
select * from shop_customer where id = :id;

-- name: customer_greeted :one
-- batch
select name, seen_at from shop_customer c where c.name <> '' and c.id = :id;

-- A key of two columns, of which one has a name that SQL knows.
-- name: line_at :one
-- batch
select what, price from shop_line where order_id = :order and position = :position;

-- name: label_color :one
-- batch
select color from shop_label where name = :name;

-- Writes for many rows at once.
-- name: label_add :exec
-- batch
insert into shop_label (name, color) values (:name, ifnull(:color, 'red'));

-- name: label_paint :exec
-- batch
update shop_label as l set color = :color where :name = l.name and color is not :color;

-- name: rule_move :one
-- batch
update shop_rule set ("order", "check") = (:order, false), "group" = "group" + :by where id = :rule returning "order";

-- name: currency_drop :exec
-- batch
delete from shop_currency where code = :code and digits between 0 and :digits;

-- What stands where does not matter: for each key it means what it means for one.
-- name: customer_unless :one
-- batch
select c.name, (select count(*) from shop_order o where o.customer_id = :id) as "orders!"
from shop_customer c where c.key = :key and c.id = :id
  and not exists (select 1 from shop_order p where p.customer_id = c.id and p.state = :state)
limit 1;

-- name: order_get :one
-- batch
-- primary
select * from shop_order where id = :id;

-- name: customer_names :many
select name, id from shop_customer where id in (:ids[]) order by id;

-- name: customers_after :many
select id, name from shop_customer where name > :after order by name limit :limit;

-- name: open_orders :many
select o.id, o.total, c.name, c.email, o.customer_id
from shop_order o
join shop_customer c on c.id = o.customer_id
where o.customer_id = :customer_id and o.state = 'open'
order by o.at desc, o.id desc
limit :limit;

-- Optional fragments, a choice of orders, a flag without parameters.
-- name: orders :many
select id, customer_id, parent_id, state, total, discount, at, note from shop_order
where customer_id = :customer_id
-- ?state  and state = :state
-- ?since  and at >= :since
-- ?unpaid and state <> 'paid'
-- order: newest(at desc, id desc) | oldest(at, id)
limit :limit;

-- name: orders_of :many
select id, total from shop_order where customer_id = :customer_id
-- ?  and id in (:ids[])
-- ?  and (at, id) < (:at, :id)
order by at desc, id desc
limit 10;

-- name: totals :one
select count(*) as n, coalesce(sum(total), 0) as total, max(at) as "last?", sum(discount) as "discount?"
from shop_order where customer_id = :customer_id;

-- name: totals_by_state :many
select state, sum(total) as total, count(discount) as discounts, min(at) as first
from shop_order where customer_id = :customer_id
group by state
having sum(total) > :more_than;

-- name: order_with_parent :one
select o.id, p.id as parent, p.total as parent_total, coalesce(p.note, '') as parent_note
from shop_order o
left join shop_order p on p.id = o.parent_id
where o.id = :id;

-- name: ancestors :many
with recursive up(id, parent_id, depth) as (
    select id, parent_id, 0 from shop_order where id = :id
    union all
    select o.id, o.parent_id, up.depth + 1 from shop_order o join up on o.id = up.parent_id
    where up.depth < :max_depth
)
select id, parent_id, depth from up;

-- name: ranked :many
select id, row_number() over (order by at desc) as place, total - coalesce(discount, 0) as net
from shop_order where customer_id = :customer_id;

-- name: exists_named :one
select exists (select 1 from shop_customer where name = :name) as found;

-- name: json_of :one
-- column settings_theme: text
select id, settings ->> 'theme' as "settings_theme?" from shop_customer where id = :id;

-- name: day_of :many
-- sqlite:
select cast(at / 86400000000 as integer) as "day!", total * 2 as doubled
from shop_order where customer_id = :customer_id and at between :from_time and :to_time;
-- postgres:
select floor(extract(epoch from at) / 86400)::bigint as "day!", total * 2 as doubled
from shop_order where customer_id = :customer_id and at between :from_time and :to_time;

-- name: customer_rename :exec
update shop_customer set name = :name, email = :email, seen_at = :seen_at where id = :id;

-- name: customer_seen :exec
update shop_customer set (seen_at, settings) = (:seen_at, :settings) where id = :id;

-- name: order_pay :one
update shop_order set state = 'paid', total = total + :tip where id = :id
returning id, total, discount;

-- name: line_put :exec
insert into shop_line (order_id, position, what, price)
values (:order_id, :position, :what, :price)
on conflict (order_id, position) do update set what = excluded.what, price = :price
where shop_line.price <> :price;

-- name: lines_copy :exec
insert into shop_line (order_id, position, what, price)
select :to_order, position, what, price from shop_line where order_id = :from_order;

-- name: lines_of :each
select position, what, price from shop_line where order_id = :order_id order by position;

-- name: lines_matching :each
select position, what from shop_line where order_id = :order_id
-- ?what and what like :what
order by position;

-- name: label_colors :many
select name, color from shop_label order by color limit 5;

-- name: newest_orders :many
select id, at from shop_order order by id desc limit :limit;

-- name: orders_forget :exec
delete from shop_order where customer_id = :customer_id and at < :before;

-- name: settings_with :many
-- scan ok: a nightly report
-- sqlite:
select c.id, k.value as "value?" from shop_customer c, json_each(c.settings) k
-- column value: text
-- param key: text
where k.key = :key;
-- postgres:
select c.id, k.value as "value?" from shop_customer c, jsonb_each_text(c.settings) k
where k.key = :key;

-- name: customer_lock :one
select id, vip from shop_customer where id = :id
-- postgres: for update
;

-- name: nobody :many
-- postgres:
select id from shop_customer where name ilike :name;
-- sqlite:
select id from shop_customer where name like :name collate nocase
-- scan ok: like cannot use the index
;

-- name: either :many
select name from shop_customer where id = :id
union all
select what from shop_line where order_id = :order_id;

-- name: seen_together :many
select b.id, b.name from shop_customer a join shop_customer b on b.seller_id = a.seller_id
where a.id = :id and b.vip = :vip and b.seen_at is :seen_at;

-- name: rules_of :many
select * from shop_rule where "group" = :group_id;

-- name: newest_with_customer :many
select o.id, c.name from shop_order o join shop_customer c on c.id = o.customer_id
order by o.id desc limit :limit;

-- Question marks that C would read as something else.
-- name: shrug :one
select id, 'what??/ oh??!' as what from shop_customer where id = :id;

-- Parameters with the names of what generated functions have themselves.
-- name: named_alike :many
-- param row: int
-- param variant: int
select id from shop_order where customer_id = :rows and total > :row and total < :variant;

-- One row by its key, whatever else is asked of it.
-- name: customer_greeted_or_not :one
select name from shop_customer where id = :id and (name = 'a' or name = :name) and seen_at is null;
