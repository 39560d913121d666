-- Who may come in, and which of their sessions have ended.

create table people_user (
    id id,
    email text not null unique, -- lower case
    name text not null,
    password_hash text not null,
    created_at ts not null
);

-- A session is a sealed cookie and lives nowhere. What lives here is the end of one, until its cookie
-- would have expired.
create table people_ended_session (
    id id,
    session uuid not null unique,
    expires_at ts not null
);
create index people_ended_session_expiry on people_ended_session (expires_at);

-- Tries to sign in since the last success.
create table people_attempt (
    id id,
    email text not null,
    address text not null,
    tries int not null,
    last_at ts not null,
    unique (email, address)
);
create index people_attempt_age on people_attempt (last_at);
