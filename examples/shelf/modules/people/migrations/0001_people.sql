create table people_user (
    id id,
    email text not null unique,
    name text not null,
    password_hash text not null,
    librarian bool not null default false,
    created_at ts not null
);

-- The ends of sessions: who signs out ends every copy of the cookie.
create table people_ended_session (
    session uuid primary key,
    ended_at ts not null
);
