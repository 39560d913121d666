-- name: run_of :one
select id, seed, users, orgs, entries, until, people, org, written, dice
from seed_run
where seed = :seed;

-- Both change nothing if another one has gone on meanwhile.
-- name: run_has_people :exec
update seed_run set people = :people where id = :id and people = :were;

-- name: run_has_entries :exec
update seed_run set org = :org, written = :written, dice = :dice
where id = :id and org = :org_before and written = :written_before;

-- name: orgs_of_run :each
select n, org_id from seed_org where run_id = :run_id order by n;
