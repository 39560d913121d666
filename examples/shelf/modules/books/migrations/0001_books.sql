create table books_author (
    id id,
    name text not null unique
);

create table books_book (
    id id,
    author_id ref(books_author) not null,
    title text not null,
    isbn text not null unique,
    copies int not null check (copies >= 0), -- on the shelf now
    added_at ts not null
);
create index books_book_author on books_book (author_id);

-- `key` is made by the client: the same loan sent twice is one loan.
create table books_loan (
    id id,
    key uuid not null unique,
    book_id ref(books_book) not null,
    user_id xref(people_user) not null,
    lent_at ts not null,
    returned_at ts
);
create index books_loan_book on books_loan (book_id);
create index books_loan_user on books_loan (user_id, id);
