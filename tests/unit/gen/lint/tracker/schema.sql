-- Issues of projects, what people say about them, and who has to know.

create table tracker_user (
    id id,
    handle text not null unique,
    email text not null unique,
    name text not null,
    created_at ts not null
);

create table tracker_project (
    id id,
    key text not null unique,
    name text not null,
    owner_id ref(tracker_user) not null,
    archived bool not null,
    issues int not null
);
create index tracker_project_owner on tracker_project (owner_id, id);

create table tracker_milestone (
    id id,
    project_id ref(tracker_project) not null,
    title text not null,
    due date,
    unique (project_id, title)
);
create index tracker_milestone_due on tracker_milestone (project_id, due desc, id desc);

create table tracker_issue (
    id id,
    project_id ref(tracker_project) not null,
    number int not null,
    title text not null,
    body text not null,
    state text not null check (state in ('open', 'closed')),
    author_id ref(tracker_user) not null,
    assignee_id ref(tracker_user),
    milestone_id ref(tracker_milestone),
    votes int not null,
    created_at ts not null,
    updated_at ts not null,
    unique (project_id, number)
);
create index tracker_issue_recent on tracker_issue (project_id, state, updated_at desc, id desc);
create index tracker_issue_author on tracker_issue (author_id, created_at desc, id desc);
create index tracker_issue_assignee on tracker_issue (assignee_id, updated_at desc) where state = 'open';
create index tracker_issue_assigned on tracker_issue (assignee_id);
create index tracker_issue_milestone on tracker_issue (milestone_id, state);

create table tracker_label (
    id id,
    project_id ref(tracker_project) not null,
    name text not null,
    unique (project_id, name)
);

create table tracker_issue_label (
    issue_id ref(tracker_issue) not null,
    label_id ref(tracker_label) not null,
    primary key (issue_id, label_id)
);
create index tracker_issue_label_of on tracker_issue_label (label_id, issue_id);

create table tracker_comment (
    id id,
    issue_id ref(tracker_issue) not null,
    author_id ref(tracker_user) not null,
    parent_id ref(tracker_comment),
    body text not null,
    created_at ts not null
);
create index tracker_comment_issue on tracker_comment (issue_id, created_at, id);
create index tracker_comment_author on tracker_comment (author_id, id);
create index tracker_comment_parent on tracker_comment (parent_id);

create table tracker_watch (
    user_id ref(tracker_user) not null,
    issue_id ref(tracker_issue) not null,
    since ts not null,
    primary key (user_id, issue_id)
);
create index tracker_watch_issue on tracker_watch (issue_id);

create table tracker_notification (
    id id,
    user_id ref(tracker_user) not null,
    issue_id ref(tracker_issue) not null,
    reason text not null,
    at ts not null,
    read_at ts
);
create index tracker_notification_unread on tracker_notification (user_id, at desc, id desc) where read_at is null;
create index tracker_notification_user on tracker_notification (user_id, at desc, id desc);
create index tracker_notification_issue on tracker_notification (issue_id);

create table tracker_event (
    id id,
    issue_id ref(tracker_issue) not null,
    actor_id ref(tracker_user) not null,
    kind text not null,
    at ts not null
);
create index tracker_event_issue on tracker_event (issue_id, at, id);
create index tracker_event_actor on tracker_event (actor_id, at desc);

create table tracker_session (
    id id,
    user_id ref(tracker_user) not null,
    token blob not null unique,
    expires_at ts not null
);
create index tracker_session_user on tracker_session (user_id);
create index tracker_session_expiry on tracker_session (expires_at);

create table tracker_job (
    id id,
    kind text not null,
    state text not null check (state in ('waiting', 'running', 'done', 'failed')),
    attempts int not null,
    run_at ts not null
);
create index tracker_job_next on tracker_job (run_at, id) where state = 'waiting';
create index tracker_job_state on tracker_job (state, run_at);

-- small: the plans on offer
create table tracker_plan (
    id id,
    name text not null,
    seats int not null
);
