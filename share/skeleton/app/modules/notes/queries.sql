-- Newest first, from just below `before`: the same cost on the first page and the thousandth.
-- name: page :many
select * from notes_note
where user_id = :user_id and id < :before
order by id desc
limit :limit;

-- name: delete_own :exec
delete from notes_note where id = :id and user_id = :user_id;
