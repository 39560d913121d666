-- A page of the catalogue: newest first, from just below `before`.
-- name: page :many
select * from books_book
where id < :before
-- ?  and author_id = :author_id
order by id desc
limit :limit;

-- name: author_named :one
select * from books_author where name = :name;

-- name: author_add :exec
insert into books_author (name) values (:name) on conflict (name) do nothing;

-- A book of an author who is there; 0 added: its ISBN is known. One statement, because it is run for
-- every line of an import.
-- name: book_add :exec
insert into books_book (author_id, title, isbn, copies, added_at)
select id, :title, :isbn, :copies, :added_at from books_author where name = :author
on conflict (isbn) do nothing;

-- Takes one copy from the shelf; 0 changed: there is none.
-- name: take_copy :exec
update books_book set copies = copies - 1 where id = :id and copies > 0;

-- name: loan_by_key :one
select * from books_loan where key = :key;

-- What somebody has at home. The book and its author come with it by relation.
-- name: loans_of :many
select * from books_loan
where user_id = :user_id
order by id desc
limit 50;

-- name: loans_open :one
-- scan ok: a command counts them now and then
select count(*) as "n!" from books_loan where returned_at is null and lent_at < :before;
