create table stock_owner (id id, name text not null);
