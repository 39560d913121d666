-- What old rows do not know stays null: the running program goes on writing rows without it.
alter table books_book add column pages int;
