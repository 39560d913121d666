-- Appointments of a clinic, what was found, and what it costs. Written after the rules, as a trial.

create table clinic_doctor (
    id id,
    badge text not null unique,
    name text not null,
    field text not null,
    left_at ts
);
create index clinic_doctor_field on clinic_doctor (field, name);

create table clinic_patient (
    id id,
    number text not null unique,
    family_name text not null,
    given_name text not null,
    born date not null,
    doctor_id ref(clinic_doctor),
    died_at ts
);
create index clinic_patient_name on clinic_patient (lower(family_name), lower(given_name));
create index clinic_patient_doctor on clinic_patient (doctor_id, family_name) where died_at is null;
create index clinic_patient_of on clinic_patient (doctor_id);

-- small: built of stone
create table clinic_room (
    id id,
    name text not null,
    floor int not null
);

create table clinic_visit (
    id id,
    patient_id ref(clinic_patient) not null,
    doctor_id ref(clinic_doctor) not null,
    room_id ref(clinic_room),
    state text not null check (state in ('planned', 'running', 'done', 'missed')),
    starts_at ts not null,
    ends_at ts not null,
    unique (doctor_id, starts_at)
);
create index clinic_visit_patient on clinic_visit (patient_id, starts_at desc);
create index clinic_visit_room on clinic_visit (room_id, starts_at);
create index clinic_visit_planned on clinic_visit (starts_at) where state = 'planned';

create table clinic_finding (
    visit_id ref(clinic_visit) not null,
    code text not null,
    note text not null,
    primary key (visit_id, code)
);
create index clinic_finding_code on clinic_finding (code, visit_id);

create table clinic_bill (
    id id,
    visit_id ref(clinic_visit) not null unique,
    total money not null,
    sent_at ts,
    paid_at ts
);
create index clinic_bill_open on clinic_bill (sent_at) where paid_at is null;

create table clinic_drug (
    id id,
    name text not null unique,
    maker text not null
);
create table clinic_dose (
    id id,
    visit_id ref(clinic_visit) not null,
    drug_id ref(clinic_drug) not null,
    amount int not null
);
create index clinic_dose_visit on clinic_dose (visit_id);
create index clinic_dose_drug on clinic_dose (drug_id, visit_id);

create table clinic_audit (
    id id,
    who text not null,
    what text not null,
    at ts not null
);
create index clinic_audit_who on clinic_audit (who, at desc, id desc);
