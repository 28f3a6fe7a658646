-- Whether the run came with a backup or a copy of the data folder: null where it did not, 1 where it waits for a person's word (or
-- belongs to the folder that the copy was made of), 0 where a person has let it run.
alter table runs add column held integer;
