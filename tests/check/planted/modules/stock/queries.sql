-- name: owner_by_name :many
-- scan ok: a test
select id, name from stock_owner where name = :name limit 10;
