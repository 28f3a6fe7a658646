-- How far the end of a run has come that was asked for, as the API has it; null where nothing is under way.

alter table runs add column stopping text;
