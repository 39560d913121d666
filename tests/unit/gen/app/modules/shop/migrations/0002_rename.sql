alter table shop_customer rename column born to birthday;
alter table shop_order add column note text;
create table shop_scrap (id id, t text);
drop table shop_scrap;
