-- name: customer_by_email :one
select id, name, city from store_customer where email = :email;

-- name: customer_by_phone :many
select id, name from store_customer where phone = :phone order by id;

-- name: customers_newest :many
select id, name, created_at from store_customer order by created_at desc, id desc limit :limit;

-- name: customers_after :many
select id, name, created_at from store_customer
where (created_at, id) < (:created_at, :id)
order by created_at desc, id desc limit :limit;

-- name: customers_by_ids :many
select id, name from store_customer where id in (:ids[]);

-- name: customers_referred :many
select id, name from store_customer where referrer_id = :referrer_id order by id;

-- name: customers_since :one
select count(*) as "n!" from store_customer where created_at >= :since;

-- name: customer_latest :one
select max(created_at) as "at?" from store_customer;

-- name: customer_rename :exec
update store_customer set name = :name, city = :city where id = :id;

-- name: customer_spent :one
select coalesce(sum(total), 0) as "spent!", count(*) as "n!"
from store_order where customer_id = :customer_id and state <> 'void';

-- name: categories :many
select id, slug, name, parent_id from store_category order by name;

-- name: category_path :many
with recursive path(id, parent_id, depth) as (
    select id, parent_id, 0 from store_category where slug = :slug
    union all
    select c.id, c.parent_id, p.depth + 1 from store_category c join path p on c.id = p.parent_id
)
select id, depth as "depth!" from path order by depth;

-- name: categories_with_counts :many
select c.id, c.name, (select count(*) from store_product p where p.category_id = c.id) as "products!"
from store_category c order by c.name;

-- name: product_by_sku :one
select id, name, price from store_product where sku = :sku;

-- name: product_named :many
select id, name from store_product where lower(name) = lower(:name) order by id;

-- name: shelf :many
select id, name, price from store_product
where category_id = :category_id and active
-- ?  and price >= :low
-- ?  and price <= :high
order by price, id limit :limit;

-- name: shelf_of_slug :many
select p.id, p.name, p.price from store_product p
where p.category_id = (select c.id from store_category c where c.slug = :slug) and p.active
order by p.price, p.id limit :limit;

-- name: products_of_category :many
select id, name, created_at from store_product
where category_id = :category_id
order by created_at desc, id desc limit :limit;

-- name: products_cheaper :many
select p.id, p.name from store_product p
where p.category_id = :category_id and p.active and p.price < (select q.price from store_product q where q.id = :id)
order by p.price, p.id;

-- name: product_take :exec
update store_product set stock = stock - :quantity where id = :id and stock >= :quantity;

-- name: products_end :exec
update store_product set active = false where id in (:ids[]);

-- name: product_sold :one
select coalesce(sum(quantity), 0) as "sold!" from store_line where product_id = :product_id;

-- name: product_bought_with :many
select o.product_id, count(*) as "n!"
from store_line l join store_line o on o.order_id = l.order_id and o.product_id <> l.product_id
where l.product_id = :product_id
group by o.product_id order by count(*) desc, o.product_id limit 10;

-- name: order_by_number :one
select id, customer_id, state, total from store_order where number = :number;

-- name: order_in_state :one
select id from store_order where number = :number and state = :state;

-- name: orders_of_customer :many
select id, number, state, total, placed_at from store_order
where customer_id = :customer_id
-- ?  and (placed_at, id) < (:placed_at, :id)
-- ?  and state = :state
order by placed_at desc, id desc limit :limit;

-- name: orders_waiting :many
select o.id, o.number, c.name
from store_order o join store_customer c on c.id = o.customer_id
where o.state = 'paid'
order by o.placed_at, o.id limit :limit;

-- name: orders_of_day :many
select id, number, total from store_order where placed_at >= :first and placed_at < :next;

-- name: orders_by_state :many
select state, count(*) as "n!" from store_order
where placed_at >= :first and placed_at < :next group by state order by state;

-- name: orders_latest :many
select o.id, o.number, c.name from store_order o join store_customer c on c.id = o.customer_id
order by o.id desc limit 20;

-- name: orders_latest_with_payment :many
select o.id, o.number, (select sum(p.amount) from store_payment p where p.order_id = o.id) as "paid?"
from store_order o order by o.placed_at desc limit 20;

-- name: order_of_either :many
select id, number from store_order where id = :id or number = :number;

-- name: order_ship :exec
update store_order set state = 'shipped', shipped_at = :now where id = :id and state = 'paid';

-- name: orders_void_old :exec
update store_order set state = 'void' where state = 'open' and placed_at < :before;

-- name: orders_unpaid :many
select o.id, o.number from store_order o
where o.state = 'open' and not exists (select 1 from store_payment p where p.order_id = o.id)
order by o.placed_at, o.id limit :limit;

-- name: order_lines :many
select l.id, l.quantity, l.price, p.name, p.sku
from store_line l join store_product p on p.id = l.product_id
where l.order_id = :order_id order by l.id;

-- name: order_full :many
select o.number, c.name, l.quantity, p.sku, g.name as category
from store_order o
join store_customer c on c.id = o.customer_id
left join store_line l on l.order_id = o.id
left join store_product p on p.id = l.product_id
left join store_category g on g.id = p.category_id
where o.id = :id;

-- name: lines_of_orders :many
select id, order_id, quantity from store_line where order_id in (:orders[]) order by order_id, id;

-- name: order_total_set :exec
update store_order set total = (select coalesce(sum(l.quantity * l.price), 0) from store_line l where l.order_id = :id)
where id = :id;

-- name: lines_drop :exec
delete from store_line where order_id = :order_id;

-- name: payment_by_reference :one
select id, order_id, amount from store_payment where provider = :provider and reference = :reference;

-- name: payment_add :exec
insert into store_payment (order_id, provider, reference, amount, paid_at)
values (:order_id, :provider, :reference, :amount, :now)
on conflict (provider, reference) do nothing;

-- name: payments_of_customer :many
select p.id, p.amount, o.number
from store_order o join store_payment p on p.order_id = o.id
where o.customer_id = :customer_id order by p.id;

-- name: reviews_best :many
select r.id, r.stars, r.body, c.name
from store_review r join store_customer c on c.id = r.customer_id
where r.product_id = :product_id
order by r.stars desc, r.at desc, r.id desc limit :limit;

-- name: review_mine :one
select id, stars from store_review where product_id = :product_id and customer_id = :customer_id;

-- name: reviews_of_customer :many
select id, product_id, stars, at from store_review where customer_id = :customer_id order by at desc limit 50;

-- name: review_average :one
select count(*) as "n!", coalesce(sum(stars), 0) as "stars!" from store_review where product_id = :product_id;

-- name: cart_by_token :one
select id, customer_id from store_cart where token = :token;

-- name: cart_lines :many
select l.product_id, l.quantity, p.name, p.price
from store_cart_line l join store_product p on p.id = l.product_id
where l.cart_id = :cart_id order by l.product_id;

-- name: cart_put :exec
insert into store_cart_line (cart_id, product_id, quantity) values (:cart_id, :product_id, :quantity)
on conflict (cart_id, product_id) do update set quantity = excluded.quantity;

-- name: carts_forget :exec
delete from store_cart where updated_at < :before;

-- name: cart_to_order :exec
insert into store_line (order_id, product_id, quantity, price)
select :order_id, l.product_id, l.quantity, p.price
from store_cart_line l join store_product p on p.id = l.product_id where l.cart_id = :cart_id;

-- name: outbox_next :many
select id, kind, payload from store_outbox where sent_at is null order by at, id limit :limit;

-- name: outbox_waiting :one
select count(*) as "n!" from store_outbox where sent_at is null;

-- name: outbox_sent :exec
update store_outbox set sent_at = :now where id in (:ids[]);

-- name: outbox_clean :exec
delete from store_outbox where sent_at < :before;

-- name: stock_moves :many
select id, delta, at from store_stock_move
where product_id = :product_id and at between :first and :last order by at;

-- name: stock_running :many
select id, delta, sum(delta) over (order by at, id) as "stock!" from store_stock_move
where product_id = :product_id order by at, id;

-- name: activity :many
select placed_at as at, 'order' as kind, id from store_order where customer_id = :customer_id
union all
select at, 'review' as kind, id from store_review where customer_id = :customer_id
order by 1 desc, 3 desc limit :limit;
