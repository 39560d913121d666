-- name: user_by_email :one
select * from people_user where email = :email;

-- Asked once per request: may this session still come in?
-- name: user_in_session :one
select u.id from people_user u
where u.id = :user_id
  and not exists (select 1 from people_ended_session e where e.session = :session);

-- name: session_ends :exec
insert into people_ended_session (session, expires_at) values (:session, :expires_at)
on conflict (session) do nothing;

-- name: ended_sessions_forget :exec
delete from people_ended_session where expires_at < :now;

-- name: attempt_of :one
select * from people_attempt where email = :email and address = :address;

-- name: attempt_add :exec
insert into people_attempt (email, address, tries, last_at) values (:email, :address, 1, :now)
on conflict (email, address) do update set tries = people_attempt.tries + 1, last_at = excluded.last_at;

-- name: attempt_forget :exec
delete from people_attempt where email = :email and address = :address;

-- name: attempts_forget :exec
delete from people_attempt where last_at < :before;
