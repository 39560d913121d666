-- name: item_by_id :one
select id, owner_id, name, price from shop_item where id = :id;

-- name: items_of :many
select id, owner_id, name, price from shop_item where owner_id = :owner_id order by id limit :limit;

-- name: orders_page :many
select id, item_id, code from shop_order where id > :after order by id limit :limit;

-- name: each_item :each
select id, owner_id, name, price from shop_item where owner_id = :owner_id order by id;

-- name: rename :exec
update shop_item set name = :name where id = :id;

-- name: items_after :many
select id, owner_id, name, price from shop_item where owner_id = :owner_id and id > :after order by id limit :limit;
