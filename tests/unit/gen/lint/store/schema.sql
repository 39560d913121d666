-- A shop: what it sells, who bought what, and what still has to be told to others.

create table store_customer (
    id id,
    email text not null unique,
    name text not null,
    phone text,
    city text not null,
    referrer_id ref(store_customer),
    created_at ts not null
);
create index store_customer_referrer on store_customer (referrer_id);
create index store_customer_phone on store_customer (phone) where phone is not null;
create index store_customer_newest on store_customer (created_at, id);

-- small: a tree of some hundred, kept by hand
create table store_category (
    id id,
    slug text not null unique,
    name text not null,
    parent_id ref(store_category)
);

create table store_product (
    id id,
    sku text not null unique,
    category_id ref(store_category) not null,
    name text not null,
    price money not null,
    stock int not null,
    active bool not null,
    created_at ts not null
);
create index store_product_shelf on store_product (category_id, price, id) where active;
create index store_product_category on store_product (category_id, created_at desc, id desc);
create index store_product_name on store_product (lower(name));

create table store_order (
    id id,
    customer_id ref(store_customer) not null,
    number text not null unique,
    state text not null check (state in ('open', 'paid', 'shipped', 'void')),
    total money not null,
    placed_at ts not null,
    shipped_at ts
);
create index store_order_customer on store_order (customer_id, placed_at desc, id desc);
create index store_order_state on store_order (state, placed_at, id);
create index store_order_placed on store_order (placed_at);

create table store_line (
    id id,
    order_id ref(store_order) not null,
    product_id ref(store_product) not null,
    quantity int not null,
    price money not null
);
create index store_line_order on store_line (order_id, id);
create index store_line_product on store_line (product_id, order_id);

create table store_payment (
    id id,
    order_id ref(store_order) not null,
    provider text not null,
    reference text not null,
    amount money not null,
    paid_at ts not null,
    unique (provider, reference)
);
create index store_payment_order on store_payment (order_id);

create table store_review (
    id id,
    product_id ref(store_product) not null,
    customer_id ref(store_customer) not null,
    stars int not null,
    body text not null,
    at ts not null,
    unique (product_id, customer_id)
);
create index store_review_customer on store_review (customer_id, at desc);
create index store_review_best on store_review (product_id, stars desc, at desc, id desc);

create table store_cart (
    id id,
    token uuid not null unique,
    customer_id ref(store_customer),
    updated_at ts not null
);
create index store_cart_customer on store_cart (customer_id);
create index store_cart_age on store_cart (updated_at);

create table store_cart_line (
    cart_id ref(store_cart) not null,
    product_id ref(store_product) not null,
    quantity int not null,
    primary key (cart_id, product_id)
);
create index store_cart_line_product on store_cart_line (product_id);

-- What has to be told to others; what has been told is deleted at night.
create table store_outbox (
    id id,
    kind text not null,
    payload json not null,
    at ts not null,
    sent_at ts
);
create index store_outbox_waiting on store_outbox (at, id) where sent_at is null;
create index store_outbox_sent on store_outbox (sent_at) where sent_at is not null;

create table store_stock_move (
    id id,
    product_id ref(store_product) not null,
    order_id ref(store_order),
    delta int not null,
    at ts not null
);
create index store_stock_move_product on store_stock_move (product_id, at);
create index store_stock_move_order on store_stock_move (order_id);
