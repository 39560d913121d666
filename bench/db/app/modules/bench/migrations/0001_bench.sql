create table bench_world (
    id id,
    random_number int not null
);

-- small: 12 rows
create table bench_fortune (
    id id,
    message text not null
);

create table bench_item (
    id id,
    category int not null,
    name text not null,
    price money not null,
    stock int not null
);
create index bench_item_category on bench_item (category, id);
