-- name: user_by_handle :one
select id, name from tracker_user where handle = :handle;

-- name: user_by_either :one
select id from tracker_user where handle = :text or email = :text;

-- name: user_by_session :one
select u.id, u.handle, u.name from tracker_session s join tracker_user u on u.id = s.user_id
where s.token = :token and s.expires_at > :now;

-- name: sessions_forget :exec
delete from tracker_session where expires_at <= :now;

-- name: sessions_end :exec
delete from tracker_session where user_id = :user_id and token <> :token;

-- name: users_by_handles :many
select id, handle from tracker_user where handle in (:first, :second, :third);

-- name: users_newest :many
select id, handle, name from tracker_user order by id desc limit :limit;

-- name: users_page :many
select id, handle from tracker_user where id > :after order by id limit :limit;

-- name: users_by_handle_page :many
select id, handle from tracker_user where handle > :after order by handle limit :limit;

-- name: project_by_key :one
select id, name, archived from tracker_project where key = :key;

-- name: projects_of_owner :many
select id, key, name from tracker_project where owner_id = :owner_id and not archived order by id;

-- name: project_next_number :one
update tracker_project set issues = issues + 1 where id = :id returning issues;

-- name: plans :many
select id, name, seats from tracker_plan order by seats;

-- name: milestones :many
select m.id, m.title, m.due,
       (select count(*) from tracker_issue i where i.milestone_id = m.id and i.state = 'open') as "open!",
       (select count(*) from tracker_issue i where i.milestone_id = m.id and i.state = 'closed') as "closed!"
from tracker_milestone m where m.project_id = :project_id order by m.title;

-- name: milestones_by_due :many
select id, title, due from tracker_milestone where project_id = :project_id order by due desc, id desc limit :limit;

-- name: milestones_next :many
select id, title, due from tracker_milestone where project_id = :project_id order by due, id limit :limit;

-- name: issue_by_number :one
select i.id, i.title, i.state, u.handle as author, a.handle as assignee
from tracker_project p
join tracker_issue i on i.project_id = p.id
join tracker_user u on u.id = i.author_id
left join tracker_user a on a.id = i.assignee_id
where p.key = :key and i.number = :number;

-- name: issues_page :many
select id, number, title, updated_at from tracker_issue
where project_id = :project_id and state = :state
-- ?  and (updated_at, id) < (:updated_at, :id)
-- ?  and author_id = :author_id
order by updated_at desc, id desc limit :limit;

-- name: issues_with_label :many
select i.id, i.number, i.title
from tracker_issue_label l join tracker_issue i on i.id = l.issue_id
where l.label_id = :label_id and i.state = 'open' order by i.id;

-- name: issues_with_labels :many
select i.id, i.number
from tracker_issue i
where i.project_id = :project_id and i.state = :state
  and exists (select 1 from tracker_issue_label l where l.issue_id = i.id and l.label_id in (:labels[]))
order by i.updated_at desc, i.id desc limit :limit;

-- name: issues_unlabelled :many
select i.id, i.number from tracker_issue i
where i.project_id = :project_id and i.state = 'open'
  and not exists (select 1 from tracker_issue_label l where l.issue_id = i.id)
order by i.updated_at desc, i.id desc limit 50;

-- name: issues_assigned :many
select id, number, title from tracker_issue
where assignee_id = :user_id and state = 'open' order by updated_at desc limit :limit;

-- name: issues_of_author :many
select i.id, i.number, p.key from tracker_issue i join tracker_project p on p.id = i.project_id
where i.author_id = :author_id order by i.created_at desc, i.id desc limit :limit;

-- name: issues_last :many
select i.id, i.title, p.key, u.handle
from tracker_issue i
join tracker_project p on p.id = i.project_id
join tracker_user u on u.id = i.author_id
order by i.id desc limit 30;

-- name: issues_open_count :one
select count(*) as "n!" from tracker_issue where project_id = :project_id and state = 'open';

-- name: issues_by_state :many
select state, count(*) as "n!" from tracker_issue where project_id = :project_id group by state;

-- name: issue_first_and_last :one
select min(number) as "first?", max(number) as "last?" from tracker_issue where project_id = :project_id;

-- name: issue_highest :one
select max(number) as "last?" from tracker_issue where project_id = :project_id;

-- name: issue_close :exec
update tracker_issue set state = 'closed', updated_at = :now where id = :id and state = 'open';

-- name: issue_vote :exec
update tracker_issue set votes = votes + 1 where project_id = :project_id and number = :number;

-- name: issues_move :exec
update tracker_issue set milestone_id = :to where milestone_id = :from and state = 'open';

-- name: issues_of_many :many
select id, number from tracker_issue where project_id in (:projects[]) and state = 'open';

-- name: issues_both :many
select id, number from tracker_issue where id in (:ids[]) or assignee_id = :user_id;

-- name: labels_of_issues :many
select l.issue_id, n.name
from tracker_issue_label l join tracker_label n on n.id = l.label_id
where l.issue_id in (:issues[]) order by l.issue_id, n.name;

-- name: label_counts :many
select n.id, n.name, count(l.issue_id) as "issues!"
from tracker_label n left join tracker_issue_label l on l.label_id = n.id
where n.project_id = :project_id group by n.id, n.name order by n.name;

-- name: label_put :exec
insert into tracker_issue_label (issue_id, label_id) values (:issue_id, :label_id) on conflict do nothing;

-- name: label_drop :exec
delete from tracker_issue_label where label_id = :label_id;

-- name: labels_copy :exec
insert into tracker_label (project_id, name)
select :to, l.name from tracker_label l where l.project_id = :from on conflict do nothing;

-- name: comments :many
select c.id, c.body, c.created_at, u.handle
from tracker_comment c join tracker_user u on u.id = c.author_id
where c.issue_id = :issue_id order by c.created_at, c.id limit :limit;

-- name: comments_after :many
select id, body from tracker_comment
where issue_id = :issue_id and (created_at, id) > (:created_at, :id) order by created_at, id limit :limit;

-- name: thread :many
with recursive thread(id, body, depth) as (
    select id, body, 0 from tracker_comment where id = :id
    union all
    select c.id, c.body, t.depth + 1 from tracker_comment c join thread t on c.parent_id = t.id
)
select id, body, depth as "depth!" from thread order by depth, id;

-- name: comment_counts :many
select issue_id, count(*) as "n!" from tracker_comment where issue_id in (:issues[]) group by issue_id;

-- name: comment_last :one
select id, body from tracker_comment where issue_id = :issue_id order by created_at desc, id desc limit 1;

-- name: comments_of_author :many
select c.id, c.body, i.number from tracker_comment c join tracker_issue i on i.id = c.issue_id
where c.author_id = :author_id order by c.id desc limit :limit;

-- name: authors_of_issue :many
select distinct author_id from tracker_comment where issue_id = :issue_id;

-- name: top_authors :many
select author_id, count(*) as "n!" from tracker_comment where issue_id = :issue_id
group by author_id order by count(*) desc, author_id limit 5;

-- name: watchers :many
select w.user_id, u.email from tracker_watch w join tracker_user u on u.id = w.user_id
where w.issue_id = :issue_id order by w.user_id;

-- name: watches :one
select since from tracker_watch where user_id = :user_id and issue_id = :issue_id;

-- name: watched :many
select i.id, i.number from tracker_watch w join tracker_issue i on i.id = w.issue_id
where w.user_id = :user_id and i.state = 'open' order by w.issue_id limit 50;

-- name: notify_watchers :exec
insert into tracker_notification (user_id, issue_id, reason, at)
select w.user_id, w.issue_id, :reason, :now from tracker_watch w where w.issue_id = :issue_id and w.user_id <> :actor_id;

-- name: unread :many
select n.id, n.reason, i.title from tracker_notification n join tracker_issue i on i.id = n.issue_id
where n.user_id = :user_id and n.read_at is null order by n.at desc, n.id desc limit :limit;

-- name: unread_count :one
select count(*) as "n!" from tracker_notification where user_id = :user_id and read_at is null;

-- name: notifications :many
select id, reason, at, read_at from tracker_notification
where user_id = :user_id order by at desc, id desc limit :limit;

-- name: read_all :exec
update tracker_notification set read_at = :now where user_id = :user_id and read_at is null;

-- name: events :many
select e.kind, e.at, u.handle from tracker_event e join tracker_user u on u.id = e.actor_id
where e.issue_id = :issue_id order by e.at, e.id;

-- name: events_numbered :many
select id, kind, row_number() over (order by at, id) as "n!" from tracker_event where issue_id = :issue_id order by at, id;

-- name: timeline :many
select at, 'event' as kind, id from tracker_event where issue_id = :issue_id
union all
select created_at, 'comment', id from tracker_comment where issue_id = :issue_id
order by 1, 3;

-- name: busiest :many
with mine as (select issue_id from tracker_event where actor_id = :actor_id and at >= :since)
select m.issue_id, count(*) as "n!" from mine m group by m.issue_id order by count(*) desc, m.issue_id limit 10;

-- name: job_take :one
select id, kind, attempts from tracker_job
where state = 'waiting' and run_at <= :now order by run_at, id limit 1
-- postgres:  for update skip locked
;

-- name: jobs_waiting :many
select id, kind, run_at from tracker_job where state = 'waiting' order by run_at, id limit 100;

-- name: jobs_counted :one
select count(*) as "n!" from tracker_job where state = :state;

-- name: jobs_clean :exec
delete from tracker_job where state = 'done' and run_at < :before;

-- name: job_state :exec
update tracker_job set state = :state, attempts = attempts + 1 where id = :id;
