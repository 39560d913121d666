-- What the money was for.

create table insights_category (
    id id,
    org_id xref(identity_org) not null,
    name text not null,
    created_at ts not null,
    unique (org_id, name)
);
create index insights_category_org on insights_category (org_id, id);

-- Income and spending of one day in one category, kept up to date by the same transaction that
-- writes the entries: a report is always right, and costs the same at any number of entries.
create table insights_day (
    id id,
    org_id xref(identity_org) not null,
    currency text not null,
    day date not null,
    category_id xref(insights_category) not null, -- 0: none
    income money not null,
    spending money not null,
    unique (org_id, currency, day, category_id)
);
