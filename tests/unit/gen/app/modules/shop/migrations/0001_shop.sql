-- Every alias, defaults, small tables, both kinds of reference.
-- small: one row per currency
create table shop_currency (
    id id,
    code text not null unique,
    digits int not null default 2
);

create table shop_customer (
    id id,
    key uuid not null unique,
    name text not null,
    email text,
    born date,
    vip bool not null default false,
    settings json,
    picture blob,
    seen_at ts,
    seller_id xref(crew_person)
);
create index shop_customer_by_name on shop_customer(name);
create index shop_customer_by_seller on shop_customer(seller_id);

create table shop_order (
    id id,
    customer_id ref(shop_customer) not null on delete cascade,
    parent_id ref(shop_order),
    state text not null default 'open' check (state in ('open', 'paid', 'it''s; gone')),
    total money not null,
    discount money,
    at ts not null
);
create index shop_order_by_customer_at on shop_order(customer_id, at desc, id desc);
create index shop_order_by_parent on shop_order(parent_id);

create table shop_line (
    order_id ref(shop_order) not null,
    position int not null,
    what text not null,
    price money not null,
    primary key (order_id, position)
) without rowid;

create table shop_label (
    name text primary key,
    color text
); -- small: a dozen

-- sqlite:
create trigger shop_line_fixed before update on shop_line begin
    select case when old.price <> new.price then raise(abort, 'fixed; for ever') end;
end;
-- postgres:
create function shop_line_fixed() returns trigger language plpgsql as
    'begin if old.price <> new.price then raise exception ''fixed; for ever''; end if; return new; end';
-- postgres:
create trigger shop_line_fixed before update on shop_line
    for each row execute function shop_line_fixed();
