-- name: user_by_email :one
select * from people_user where email = :email;

-- Asked once per request: does this session still count, and for whom?
-- name: user_in_session :one
select id, name, librarian from people_user
where id = :user_id
  and not exists (select 1 from people_ended_session e where e.session = :session);

-- name: session_end :exec
insert into people_ended_session (session, ended_at) values (:session, :now)
on conflict (session) do nothing;
