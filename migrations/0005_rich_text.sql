-- Rich output as pages show it, made when it is posted. What was posted before is sanitised when it is first shown.

alter table tasks add column rich text;            -- sanitised HTML; null where the output is shown as text
alter table tasks add column rich_refusal text;    -- why it is shown as text
alter table tasks add column rich_version integer; -- which sanitiser made it; null where none has yet
