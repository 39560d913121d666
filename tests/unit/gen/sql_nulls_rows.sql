insert into crew_person (id, name, nick) values (1, 'grace', null), (2, 'alan', 'al');
insert into shop_currency (id, code, digits) values (1, 'EUR', 2), (2, 'JPY', 0);
insert into shop_customer (id, key, name, email, birthday, vip, settings, picture, seen_at, seller_id) values
    (1, x'00000000000000000000000000000001', 'ada', null, null, 0, null, null, null, null),
    (2, x'00000000000000000000000000000002', 'bob', 'b@x', 100, 1, '{"a": null}', x'01', 5, 1),
    (3, x'00000000000000000000000000000003', '', 'c@x', null, 0, '{}', null, 9, 99);
insert into shop_order (id, customer_id, parent_id, state, total, discount, at, note) values
    (1, 2, null, 'open', 100, null, 10, null),
    (2, 2, 1, 'paid', 200, 5, 20, 'two'),
    (3, 3, 2, 'open', 0, 0, 30, null),
    (4, 3, null, 'it''s; gone', 7, null, 40, '');
insert into shop_line (order_id, position, what, price) values (1, 1, 'pen', 50), (1, 2, 'ink', 50), (2, 1, 'pad', 200);
insert into shop_label (name, color) values ('EUR', null), ('red', 'red');
