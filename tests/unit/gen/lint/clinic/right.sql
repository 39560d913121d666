-- name: patient :one
select id, family_name, given_name from clinic_patient where number = :number;
-- name: patients_named :many
select id, family_name from clinic_patient where lower(family_name) = lower(:name) and lower(given_name) = lower(:given) limit 20;
-- name: patients_from :many
select id, family_name from clinic_patient where lower(family_name) >= :from and lower(family_name) < :to order by lower(family_name), lower(given_name) limit 20;
-- name: patients_of_doctor :many
select id, family_name from clinic_patient where doctor_id = :doctor_id and died_at is null order by family_name limit :limit;
-- name: patients_counted :one
select count(*) as "n!" from clinic_patient where doctor_id = :doctor_id;
-- name: doctors_in :many
select id, name from clinic_doctor where field = :field and left_at is null order by name;
-- name: doctor_free :one
select d.id from clinic_doctor d where d.field = :field and not exists (
  select 1 from clinic_visit v where v.doctor_id = d.id and v.starts_at = :at) order by d.name limit 1;
-- name: rooms :many
select id, name from clinic_room order by floor, name;
-- name: room_now :many
select r.id, r.name, v.id as visit from clinic_room r left join clinic_visit v on v.room_id = r.id and v.starts_at = :at;
-- name: day_of_doctor :many
select v.id, v.starts_at, p.family_name, r.name as room
from clinic_visit v join clinic_patient p on p.id = v.patient_id left join clinic_room r on r.id = v.room_id
where v.doctor_id = :doctor_id and v.starts_at >= :first and v.starts_at < :next order by v.starts_at;
-- name: visits_of :many
select id, starts_at, state from clinic_visit where patient_id = :patient_id order by starts_at desc limit :limit;
-- name: visits_between :many
select id, starts_at from clinic_visit where patient_id = :patient_id and starts_at between :first and :last;
-- name: next_planned :many
select v.id, v.starts_at, d.name from clinic_visit v join clinic_doctor d on d.id = v.doctor_id
where v.state = 'planned' order by v.starts_at limit 50;
-- name: planned_until :many
select id, patient_id from clinic_visit where state = 'planned' and starts_at < :until;
-- name: last_visit :one
select max(starts_at) as "at?" from clinic_visit where patient_id = :patient_id;
-- name: visit_move :exec
update clinic_visit set starts_at = :at, ends_at = :until where id = :id and state = 'planned';
-- name: visits_missed :exec
update clinic_visit set state = 'missed' where state = 'planned' and starts_at < :before;
-- name: findings :many
select code, note from clinic_finding where visit_id = :visit_id;
-- name: patients_with :many
select distinct v.patient_id from clinic_finding f join clinic_visit v on v.id = f.visit_id where f.code = :code;
-- name: codes_of_patient :many
select f.code, count(*) as "n!" from clinic_visit v join clinic_finding f on f.visit_id = v.id
where v.patient_id = :patient_id group by f.code order by count(*) desc, f.code limit 10;
-- name: both_codes :many
select a.visit_id from clinic_finding a join clinic_finding b on b.visit_id = a.visit_id where a.code = :one and b.code = :other;
-- name: bill_of :one
select id, total, paid_at from clinic_bill where visit_id = :visit_id;
-- name: bills_open :many
select id, total from clinic_bill where paid_at is null and sent_at < :before order by sent_at limit 100;
-- name: bill_pay :exec
update clinic_bill set paid_at = :now where id = :id and paid_at is null;
-- name: bills_of_patient :many
select b.id, b.total, v.starts_at from clinic_visit v join clinic_bill b on b.visit_id = v.id where v.patient_id = :patient_id;
-- name: owed :one
select coalesce(sum(b.total), 0) as "total!" from clinic_visit v join clinic_bill b on b.visit_id = v.id
where v.patient_id = :patient_id and b.paid_at is null;
-- name: doses :many
select d.id, g.name, d.amount from clinic_dose d join clinic_drug g on g.id = d.drug_id where d.visit_id = :visit_id order by g.name;
-- name: drug :one
select id, maker from clinic_drug where name = :name;
-- name: drugs_like :many
select id, name from clinic_drug where name >= :from and name < :to order by name limit 10;
-- name: patients_on :many
select distinct v.patient_id from clinic_dose d join clinic_visit v on v.id = d.visit_id where d.drug_id = :drug_id;
-- name: audit_of :many
select id, what, at from clinic_audit where who = :who
-- ?  and (at, id) < (:at, :id)
order by at desc, id desc limit :limit;
-- name: audit_last :many
select id, who, what from clinic_audit order by id desc limit 100;
-- name: audit_after :many
select id, who, what from clinic_audit where id > :id order by id limit 1000;
-- name: visit_rank :many
select id, row_number() over (partition by patient_id order by starts_at) as "n!" from clinic_visit where patient_id = :patient_id;
-- name: first_and_last :one
select v.id, (select min(w.starts_at) from clinic_visit w where w.patient_id = v.patient_id) as "first?" from clinic_visit v where v.id = :id;
