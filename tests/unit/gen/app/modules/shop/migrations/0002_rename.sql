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
