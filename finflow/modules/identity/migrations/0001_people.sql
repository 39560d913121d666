-- Who may come in: people, their organisations, and which of their sessions have ended.

create table identity_user (
    id id,
    email text not null unique, -- lower case
    name text not null,
    password_hash text not null,
    created_at ts not null
);

create table identity_org (
    id id,
    name text not null,
    created_at ts not null
);

create table identity_member (
    id id,
    user_id ref(identity_user) not null,
    org_id ref(identity_org) not null,
    role text not null check (role in ('viewer', 'accountant', 'admin', 'owner')),
    created_at ts not null,
    unique (user_id, org_id)
);
create index identity_member_org on identity_member (org_id, id);

-- A session is a sealed cookie and lives nowhere. What lives here is the end of one: signing out
-- ends every copy of the cookie, on every instance. Rows go when the cookie would have expired.
create table identity_ended_session (
    id id,
    session uuid not null unique,
    expires_at ts not null
);
create index identity_ended_session_expiry on identity_ended_session (expires_at);

-- Sign-ins tried since the last success, per account and address.
create table identity_attempt (
    id id,
    email text not null,
    address text not null,
    tries int not null,
    last_at ts not null,
    unique (email, address)
);
create index identity_attempt_age on identity_attempt (last_at);
