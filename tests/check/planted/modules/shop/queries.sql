-- name: item_by_id :one
select id, owner_id, name, price, made_at from shop_item where id = :id;

-- name: order_by_code :one
select id, item_id, code, state from shop_order where code = :code;

-- name: items_of :many
select id, owner_id, name, price, made_at from shop_item where owner_id = :owner_id order by id limit :limit;

-- name: each_item :each
select id, owner_id, name, price, made_at from shop_item where owner_id = :owner_id order by id;

-- name: rename :exec
update shop_item set name = :name where id = :id;

-- name: order_count_of :one
select count(*) as n from shop_order where item_id = :item_id;
