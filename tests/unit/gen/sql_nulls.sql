-- Statements full of nulls: sql_test.c runs each on the rows of sql_nulls_rows.sql and looks whether
-- a column that gen calls not null is null. Marks stand only where gen asks for them.

-- name: n1 :many
-- scan ok: a test
select o.id, c.id as customer, c.name, c.email from shop_order o left join shop_customer c on c.id = o.customer_id and c.vip
;

-- name: n2 :many
-- scan ok: a test
select c.id, o.id as o, o.total, o.discount from shop_customer c left join shop_order o on o.customer_id = c.id
;

-- name: n3 :many
-- scan ok: a test
select c.id, o.id as o, l.price from shop_customer c left join shop_order o on o.customer_id = c.id left join shop_line l on l.order_id = o.id
;

-- name: n4 :many
-- scan ok: a test
select c.id, o.id as o, l.price from shop_customer c left join (shop_order o join shop_line l on l.order_id = o.id) on o.customer_id = c.id
;

-- name: n5 :many
-- scan ok: a test
select c.id as c, o.id as o from shop_order o right join shop_customer c on o.customer_id = c.id
;

-- name: n6 :many
-- scan ok: a test
select c.id as c, o.id as o, l.what from shop_order o join shop_line l on l.order_id = o.id right join shop_customer c on o.customer_id = c.id
;

-- name: n7 :many
-- scan ok: a test
select c.id as c, o.id as o from shop_order o full join shop_customer c on o.customer_id = c.id
;

-- name: n8 :many
-- scan ok: a test
select a.id as a, b.id as b, d.id as d from shop_order a full join shop_order b on b.parent_id = a.id left join shop_order d on d.parent_id = b.id
;

-- name: n9 :many
-- scan ok: a test
select a.id as a, b.id as b, d.id as d from shop_order a left join shop_order b on b.parent_id = a.id right join shop_order d on d.parent_id = a.id
;

-- name: n10 :many
-- scan ok: a test
select a.id as a, b.id as b, d.name from shop_order a left join shop_order b on b.parent_id = a.id cross join shop_customer d
;

-- name: n11 :many
-- scan ok: a test
select a.id as a, b.id as b, d.name from shop_order a left join shop_order b on b.parent_id = a.id, shop_customer d
;

-- name: n12 :many
-- scan ok: a test
select x.id, x.name from (select c.id, c.name from shop_customer c) x
;

-- name: n13 :many
-- scan ok: a test
select x.id, x.o from (select c.id, o.id as o from shop_customer c left join shop_order o on o.customer_id = c.id) x
;

-- name: n14 :many
-- scan ok: a test
select c.id, x.o from shop_customer c left join (select id as o, customer_id from shop_order) x on x.customer_id = c.id
;

-- name: n15 :many
-- scan ok: a test
select c.id, x.n from shop_customer c left join (select count(*) as n, customer_id from shop_order group by customer_id) x on x.customer_id = c.id
;

-- name: n16 :many
-- scan ok: a test
with w as (select id, total from shop_order) select w.id, w.total from w
;

-- name: n17 :many
-- scan ok: a test
with w as (select c.id, o.total from shop_customer c left join shop_order o on o.customer_id = c.id) select id, total from w
;

-- name: n18 :many
-- scan ok: a test
with w(a, b) as (select id, parent_id from shop_order) select a, b from w
;

-- name: n19 :many
-- scan ok: a test
with w as (select id from shop_order), v as (select w.id as one, o.id as two from w left join shop_order o on o.parent_id = w.id) select one, two from v
;

-- name: n20 :many
-- scan ok: a test
with recursive w(a, b, c) as (select 1, 2, null union all select b, c, a from w where a is not null and a < 5 limit 9) select a as "a?", b as "b?", c as "c?" from w
;

-- name: n21 :many
-- scan ok: a test
with recursive w(id, up) as (select id, parent_id from shop_order union select w.up, o.parent_id from w left join shop_order o on o.id = w.up where w.id is not null) select id, up from w
;

-- name: n22 :many
-- scan ok: a test
with recursive w(n) as (select 0 union all select n + 1 from w where n < 3) select n from w
;

-- name: n23 :many
-- scan ok: a test
select id from shop_order union all select parent_id from shop_order
;

-- name: n24 :many
-- scan ok: a test
select id as x, total from shop_order union select parent_id, discount from shop_order
;

-- name: n25 :many
-- scan ok: a test
select id as x from shop_order intersect select id from shop_customer
;

-- name: n26 :many
-- scan ok: a test
select id as x from shop_order except select parent_id from shop_order
;

-- name: n27 :many
-- scan ok: a test
select count(*) as n, count(discount) as d from shop_order where id = :none
;

-- name: n28 :many
-- scan ok: a test
select coalesce(sum(discount), 0) as total from shop_order where id = :none
;

-- name: n29 :many
-- scan ok: a test
select coalesce(discount, parent_id, 0) as v, ifnull(note, '') as w from shop_order
-- column v: int
;

-- name: n30 :many
-- scan ok: a test
select coalesce(discount, total) as v from shop_order
;

-- name: n31 :many
-- scan ok: a test
select state, sum(total) as t, min(at) as a, max(at) as b, count(*) as n from shop_order group by state
;

-- name: n32 :many
-- scan ok: a test
select state, sum(discount) as "d?", max(note) as "n?" from shop_order group by state
;

-- name: n33 :many
-- scan ok: a test
select state, sum(total) filter (where vip) as "t?" from shop_order o join shop_customer c on c.id = o.customer_id group by state
;

-- name: n34 :many
-- scan ok: a test
select c.id, sum(o.total) as "t?", count(o.id) as n from shop_customer c left join shop_order o on o.customer_id = c.id group by c.id
;

-- name: n35 :many
-- scan ok: a test
select id, total * 2 as a, total + id as b, -total as c, abs(total) as d from shop_order
-- column b: int
;

-- name: n36 :many
-- scan ok: a test
select id, total % 7 as m, total / 3 as d from shop_order
;

-- name: n37 :many
-- scan ok: a test
select id, total / (id - 1) as "d?" from shop_order
-- column d: int
;

-- name: n38 :many
-- scan ok: a test
select id, case when total > 100 then 1 else 0 end as a, case state when 'open' then 'o' else 'x' end as b from shop_order
;

-- name: n39 :many
-- scan ok: a test
select id, case when total > 100 then 1 end as "a?", case when total > 0 then discount else 0 end as "b?" from shop_order
;

-- name: n40 :many
-- scan ok: a test
select id, name || '!' as a, upper(name) as b, length(name) as c, substr(name, 1, 2) as d from shop_customer
;

-- name: n41 :many
-- scan ok: a test
select id, name || email as "a?", upper(email) as "b?", length(email) as "c?" from shop_customer
;

-- name: n42 :many
-- scan ok: a test
select id, name = 'ada' as a, vip and name <> 'x' as b, email is null as c, email is not 'x' as d from shop_customer
;

-- name: n43 :many
-- scan ok: a test
select id, email = 'x' as "a?", not vip as b, name like 'a%' as c, id in (1, 2) as d from shop_customer
;

-- name: n44 :many
-- scan ok: a test
select id, id in (select parent_id from shop_order) as "a?", id in (select id from shop_order) as b from shop_customer
;

-- name: n45 :many
-- scan ok: a test
select id, exists (select 1 from shop_order o where o.customer_id = c.id) as a, (select count(*) from shop_order o where o.customer_id = c.id) as b from shop_customer c
;

-- name: n46 :many
-- scan ok: a test
select id, (select total from shop_order o where o.customer_id = c.id limit 1) as "a?", (select max(at) from shop_order o where o.customer_id = c.id) as "b?" from shop_customer c
;

-- name: n47 :many
-- scan ok: a test
select id, (select count(*) from shop_order o where o.customer_id = c.id having count(*) > 1) as "a?" from shop_customer c
;

-- name: n48 :many
-- scan ok: a test
select id, row_number() over (order by id) as a, count(*) over () as b, sum(total) over (partition by state) as c from shop_order
;

-- name: n49 :many
-- scan ok: a test
select id, lag(id) over (order by id) as "a?", first_value(note) over (order by id) as "b?", sum(total) over (order by id rows between 2 preceding and 1 preceding) as "c?" from shop_order
;

-- name: n50 :many
-- scan ok: a test
select id, nullif(total, 100) as "a?", max(total, id) as b, min(total, discount) as "c?" from shop_order
-- column b: int
;

-- name: n51 :many
-- scan ok: a test
select id, cast(total as text) as a, cast(discount as integer) as "b?", hex(picture) as c, quote(email) as d from (select o.id, o.total, o.discount, c.picture, c.email from shop_order o join shop_customer c on c.id = o.customer_id)
;

-- name: n52 :many
-- scan ok: a test
select json_array(id, email) as a, json_object('id', id) as b, json_group_array(name) as c from shop_customer group by id
;

-- name: n53 :many
-- scan ok: a test
select c.*, o.total from shop_customer c left join shop_order o on o.customer_id = c.id and o.total > 1000000
;

-- name: n54 :many
-- scan ok: a test
select o.*, t.one from shop_order o natural join (select id, 1 as one from shop_order) t
;

-- name: n55 :many
-- scan ok: a test
select id, total from shop_order left join (select id, 1 as one from shop_customer) using (id)
;

-- name: n56 :many
-- scan ok: a test
select id, one from shop_order left join (select id, 1 as one from shop_customer where id > 1000) using (id)
;

-- name: n57 :many
-- scan ok: a test
select a.id, b.total, b.state from shop_order a left join shop_order b on b.id = a.parent_id where a.total > :least
-- ?state and b.state = :state
;

-- name: n58 :many
-- scan ok: a test
select distinct o.state, c.vip from shop_customer c left join shop_order o on o.customer_id = c.id
;

-- name: n59 :many
-- scan ok: a test
select v.column1 as a, v.column2 as "b?" from (values (1, null), (2, 3)) v
;

-- name: n60 :many
-- scan ok: a test
select color as "c?", name from shop_label
;

-- name: n61 :many
-- scan ok: a test
select l.name, l.color, c.code from shop_label l left join shop_currency c on c.code = l.name
;

-- name: n62 :many
-- scan ok: a test
select total between 1 and 200 as a, discount between 1 and 2 as "b?", total is not distinct from discount as c from shop_order
;

-- name: n63 :many
-- scan ok: a test
select x.a, x.b from (select coalesce(o.total, 0) as a, o.discount as b from shop_customer c left join shop_order o on o.customer_id = c.id) x
;

-- name: n64 :many
-- scan ok: a test
select iif(vip, 1, null) as "a?" , settings -> 'a' as "b?", settings ->> 'a' as "c?" from shop_customer
-- column a: int
-- column c: text
;

-- Null travels one column further with each step.
-- name: creeping :many
-- scan ok: a test
with recursive w(a, b, c, d) as (
    select id, id, id, parent_id from shop_order
    union
    select b, c, d, d from w where a is not null
)
select a, b, c, d from w;

-- name: n65 :many
-- scan ok: a test
select id, (select count(*) from shop_line limit 0) as "a?", ~total as b, substr(picture, 1, 1) as "c?" from shop_customer c join shop_order using (id)
;

-- name: n66 :many
-- scan ok: a test
select * from shop_owing
;

-- name: n67 :many
-- scan ok: a test
select c.id, s.n, s.total as "total?" from shop_customer c left join shop_spent s on s.customer = c.id
;

-- name: n68 :many
-- scan ok: a test
select n, w.name, w.customer from shop_spent s join shop_owing w on w.customer = s.customer
;
