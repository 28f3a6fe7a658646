-- Tasks, runs and the log. Ids are 16 bytes, times milliseconds since 1970, JSON as the API has it.

pragma application_id = 1263817547; -- "KTSK": tells this file from other programs' databases

create table meta (
    name  text primary key,
    value text not null
) strict, without rowid;

create table tasks (
    id         blob primary key,
    created_at integer not null,
    updated_at integer not null,
    status     text not null,
    kind       text not null,
    scope      text not null,          -- '' where it has none
    waiting    integer not null,       -- 1: a person is asked and has not answered
    search     text not null,          -- what a text filter looks in, lower case, a line each
    body       text not null,          -- the task without its output
    output     text,                   -- rich output, kept apart because boards never read it
    posted     blob                    -- what it was posted as (SHA-256), so that a repeated post is known
) strict;
create index tasks_by_change on tasks (updated_at desc);
create index tasks_waiting on tasks (updated_at desc) where waiting = 1;

create table task_tags (
    tag  text not null,
    task blob not null references tasks (id) on delete cascade,
    primary key (tag, task)
) strict, without rowid;
create index task_tags_by_task on task_tags (task);

create table runs (
    number     integer primary key,    -- short, because each output event carries it
    id         blob not null unique,
    task       blob not null references tasks (id) on delete cascade,
    request_id text not null unique,
    runner     text not null,
    prompt     text not null,
    status     text not null,
    exit_code  integer,
    signal     text,
    reason     text,
    created_at integer not null,
    started_at integer,
    ended_at   integer,
    events     integer not null default 0,
    bytes      integer not null default 0,
    lines      integer not null default 0,
    position   integer not null default 0, -- how far its spool is in the log; moves with the output, in one transaction
    digest     text,
    end_seq    integer                 -- its end in the log
) strict;
create index runs_by_task on runs (task, created_at);
create index runs_unfinished on runs (created_at) where status in ('queued', 'running');

-- The log. `autoincrement`: a number is never used twice, even where the newest events are deleted with their task.
create table events (
    seq     integer primary key autoincrement,
    kind    integer not null,          -- 0 task, 1 run, 2 output, 3 end
    task    blob,                      -- kind 0: which
    run     integer,                   -- kind 1, 2, 3: which (runs.number)
    at      integer not null,
    start   integer,                   -- kind 2: how many bytes of the run's output come before it
    payload blob not null              -- kind 2: the bytes as they were written; else JSON
) strict;
create index events_of_board on events (seq) where kind in (0, 1);
create index events_of_run on events (run, seq) where run is not null;
create index events_of_output on events (run, start) where kind = 2;
create index events_of_task on events (task) where task is not null;

create table sign_in_links (
    hash       blob primary key,
    created_at integer not null,
    expires_at integer not null,
    used_at    integer
) strict, without rowid;

create table sessions (
    id         integer primary key autoincrement,
    hash       blob not null unique,
    user_agent text not null,
    created_at integer not null,
    last_seen  integer not null,
    expires_at integer not null
) strict;
