create table @table@ (
    id id,
    user_id xref(people_user) not null, -- whose it is
@columns@    created_at ts not null
);
create index @table@_user on @table@ (user_id, id);
@indexes@
