-- What has a last moment and waits, also where no ticket is made for it: its account is blocked, its
-- number rests, its template is halted. Messages of campaigns have none and write no entry here.

create index messages_until on app.messages (expires_at)
    where work = 'due' and expires_at is not null;
