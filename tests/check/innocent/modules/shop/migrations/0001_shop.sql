create table shop_item (
    id id,
    owner_id xref(stock_owner) not null,
    name text not null,
    price money not null
);
create index shop_item_by_owner on shop_item(owner_id);
create table shop_order (
    id id,
    item_id ref(shop_item) not null,
    code text not null unique
);
create index shop_order_by_item on shop_order(item_id);
create index shop_order_by_code on shop_order(code, item_id); -- unused ok: a migration of next month needs it
