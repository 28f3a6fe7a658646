-- The sizes of a run's terminal as events of the log: kind 4, JSON, `start` is how many bytes of the run's output come before it.

alter table runs add column sizes integer not null default 0; -- how many of them are in the log
create index events_of_size on events (run, start) where kind = 4;
