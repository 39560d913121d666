-- name: user_by_email :one
select id, email, name, password_hash, created_at from identity_user where email = :email;

-- The organisation that a person signs in to: the first they joined.
-- name: home_of_user :one
-- scan ok: a person has few memberships
select m.org_id, o.name, m.role
from identity_member m join identity_org o on o.id = m.org_id
where m.user_id = :user_id
order by m.id limit 1;

-- Asked once per request: may this session still come in, and as what? One row, found by keys.
-- name: member_in_session :one
-- batch
select m.role
from identity_member m
where m.user_id = :user_id and m.org_id = :org_id
  and not exists (select 1 from identity_ended_session e where e.session = :session);

-- Who is signed in, for the page head and GET /me.
-- name: person :one
-- batch
select u.id, u.email, u.name, o.id as org_id, o.name as org_name, m.role
from identity_member m
join identity_user u on u.id = m.user_id
join identity_org o on o.id = m.org_id
where m.user_id = :user_id and m.org_id = :org_id;

-- name: session_ends :exec
insert into identity_ended_session (session, expires_at) values (:session, :expires_at)
on conflict (session) do nothing;

-- name: ended_sessions_forget :exec
delete from identity_ended_session where expires_at < :now;

-- Counts a try before the password is looked at, so that tries at the same time all count.
-- A try after a quiet time starts anew.
-- name: attempt_add :one
insert into identity_attempt (email, address, tries, last_at) values (:email, :address, 1, :now)
on conflict (email, address) do update set
    tries = case when identity_attempt.last_at < :forget_before then 1 else identity_attempt.tries + 1 end,
    last_at = excluded.last_at
returning id, email, address, tries, last_at;

-- name: attempt_of :one
select id, email, address, tries, last_at from identity_attempt
where email = :email and address = :address;

-- name: attempt_forget :exec
delete from identity_attempt where email = :email and address = :address;

-- name: attempts_forget :exec
delete from identity_attempt where last_at < :before;
