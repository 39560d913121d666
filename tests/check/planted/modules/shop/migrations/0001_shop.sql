create table shop_item (
    id id,
    owner_id xref(stock_owner) not null,
    name text not null,
    price money not null,
    made_at ts not null
);
create index shop_item_by_owner on shop_item(owner_id);
create index shop_item_by_price on shop_item(price); -- ! PD-CHECK-040
create index shop_item_by_name on shop_item(name, made_at); -- ! PD-CHECK-040
-- unused ok: a report outside this app reads it
create index shop_item_by_made on shop_item(made_at);
create table shop_order (
    id id,
    item_id ref(shop_item) not null,
    code text not null unique,
    state text not null
);
create index shop_order_by_item on shop_order(item_id);
create index shop_order_by_state on shop_order(state) where state = 'open'; -- ! PD-CHECK-040
create index shop_order_by_code_state on shop_order(code, state); -- ! PD-CHECK-040
create index shop_order_of_code on shop_order(code); -- ! PD-CHECK-041
create table shop_tag (id id, name text not null, item_id ref(shop_item) not null);
create index shop_tag_by_item on shop_tag(item_id);
create index shop_tag_by_lower on shop_tag(lower(name)); -- ! PD-CHECK-040
create index shop_tag_by_item_name on shop_tag(item_id, name); -- ! PD-CHECK-040
