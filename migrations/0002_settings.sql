-- What people settle about who gets in: tokens for programs, and how a server hears that another process has signed somebody out.
-- (A password is a row of `meta`.)

create table tokens (
    id         integer primary key autoincrement,
    hash       blob not null unique,
    name       text not null unique,
    created_at integer not null,
    last_used  integer                 -- to within some minutes; null: never
) strict;

-- Moves with each session and token that goes, whichever process takes it away.
create table endings (count integer not null) strict;
insert into endings (count) values (0);
create trigger session_gone after delete on sessions begin update endings set count = count + 1; end;
create trigger token_gone after delete on tokens begin update endings set count = count + 1; end;
