-- unsafe ok: this app has never run
alter table shop_customer rename column born to birthday;
alter table shop_order add column note text;
create table shop_scrap (id id, t text);
drop table shop_scrap;
-- Names that SQL takes only in quotes.
create table shop_rule (
    id id,
    "order" int not null,
    "check" bool not null,
    "group" ref(shop_order) not null
);
create index shop_rule_by_group on shop_rule("group", "order");

create view shop_owing as
    select c.id as customer, c.name, o.id as "order", o.discount, o.state
    from shop_customer c left join shop_order o on o.customer_id = c.id;
create view shop_spent (customer, n, total) as
    select customer_id, count(*), sum(total) from shop_order group by customer_id;
-- postgres:
create view shop_mixed as select id, state as what from shop_order;
-- sqlite:
create view shop_mixed as select id, state as what from shop_order union all select id, total from shop_order;
