-- The same as world_get, for requests that come at the same time.
-- name: world_batched :one
-- batch
select * from bench_world where id = :id;

-- name: world_set :exec
-- batch
update bench_world set random_number = :random_number where id = :id;

-- name: fortunes :many
select * from bench_fortune;

-- The newest of a category.
-- name: items :many
select * from bench_item where category = :category order by id desc limit :limit;

-- name: item_set :one
update bench_item set price = :price, stock = :stock where id = :id returning category;
