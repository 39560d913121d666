-- Newest first, from just below `before`: the same cost on the first page and the thousandth.
-- name: page :many
select * from @table@
where user_id = :user_id and id < :before
order by id desc
limit :limit;

-- name: own :one
select * from @table@ where id = :id and user_id = :user_id;

-- name: own_change :exec
update @table@ set
@sets@
where id = :id and user_id = :user_id;

-- name: own_delete :exec
delete from @table@ where id = :id and user_id = :user_id;
