-- name: person_named :many
-- scan ok: a handful of people
select * from crew_person where name = :name order by id;
