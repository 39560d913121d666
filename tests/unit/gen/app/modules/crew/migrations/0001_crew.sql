-- A second module, for what must not cross the border and for xref.
create table crew_person (
    id id,
    name text not null,
    nick text
);
