-- What `finflow seed` has made so far, so that one that was killed goes on where it ended.

-- small: one row for each --seed
create table seed_run (
    id id,
    seed int not null unique,
    users int not null,
    orgs int not null,
    entries int not null,
    until date not null,
    people int not null,  -- made so far
    org int not null,     -- the number of the organisation that is being filled; all are: `orgs`
    written int not null, -- entries of it
    dice int not null     -- of it, behind them
);

-- Its organisations by number.
create table seed_org (
    id id,
    run_id ref(seed_run) not null,
    n int not null,
    org_id xref(identity_org) not null,
    unique (run_id, n)
);
