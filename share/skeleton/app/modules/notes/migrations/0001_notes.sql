create table notes_note (
    id id,
    user_id xref(people_user) not null, -- a row of another module: no foreign key
    title text not null,
    body text not null,
    created_at ts not null
);
create index notes_note_user on notes_note (user_id, id);
