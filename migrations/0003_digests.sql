-- The digest of a run's output so far, as far as it has come: what the next output goes on from. It moves with the output, in one transaction.
alter table runs add column hashed text;
