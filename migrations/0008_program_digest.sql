-- What is known of whether a run's output is what its program wrote. All of it is null for runs that ended before this.
alter table runs add column program_digest text;    -- of every byte that was read from the program and kept, as its supervisor said
alter table runs add column verified_bytes integer; -- how many bytes from the beginning are known to be the program's
-- Everything before `damage_from` is what the program wrote, and the first difference lies before `damage_to`; null where none is known.
alter table runs add column damage_from integer;
alter table runs add column damage_to integer;
