-- insert_session --
-- A person signed in.
insert into app.sessions (
    tenant_id, session_id, user_id, client, address_digest, created_at, last_used_at, idle_until,
    ends_at
)
values (
    %(tenant_id)s, %(session_id)s, %(user_id)s, %(client)s, %(address_digest)s, %(now)s, %(now)s,
    %(idle_until)s, %(ends_at)s
)

-- insert_refresh_token --
-- The newest token of a session's family.
insert into app.refresh_tokens (tenant_id, session_id, generation, token_hash, issued_at)
values (%(tenant_id)s, %(session_id)s, %(generation)s, %(token_hash)s, %(now)s)

-- lock_refresh --
-- A session by one of its refresh tokens, held until the transaction ends: one refresh at a time.
select
    s.user_id,
    s.generation,
    s.ended_at,
    s.idle_until,
    s.ends_at,
    r.token_hash,
    u.status as user_status,
    t.status as tenant_status
from app.sessions as s
inner join app.refresh_tokens as r
    on s.tenant_id = r.tenant_id
    and s.session_id = r.session_id
inner join app.users as u on s.tenant_id = u.tenant_id and s.user_id = u.user_id
inner join app.tenants as t on s.tenant_id = t.tenant_id
where s.tenant_id = %(tenant_id)s
    and s.session_id = %(session_id)s
    and r.generation = %(generation)s
for update of s

-- use_refresh_token --
-- The token is used: it comes back only as a theft.
update app.refresh_tokens
set used_at = %(now)s
where tenant_id = %(tenant_id)s
    and session_id = %(session_id)s
    and generation = %(generation)s

-- renew_session --
-- The session goes on with the next generation.
update app.sessions
set generation = %(generation)s, last_used_at = %(now)s, idle_until = %(idle_until)s
where tenant_id = %(tenant_id)s and session_id = %(session_id)s

-- list_sessions --
-- A person's sessions that still live, newest first.
select
    s.session_id,
    s.client,
    s.created_at,
    s.last_used_at,
    s.idle_until,
    s.ends_at,
    s.session_id = %(own_session_id)s as current
from app.sessions as s
where s.tenant_id = %(tenant_id)s
    and s.user_id = %(user_id)s
    and s.ended_at is null
    and s.idle_until > %(now)s
    and s.ends_at > %(now)s
    and (%(after)s::uuid is null or s.session_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or s.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or s.created_at < %(created_to)s)
order by s.session_id desc
limit %(limit)s

-- end_session --
-- Ends one session of a person; one that has ended keeps why.
update app.sessions
set ended_at = coalesce(ended_at, %(now)s), ended_because = coalesce(ended_because, %(because)s)
where tenant_id = %(tenant_id)s
    and user_id = %(user_id)s
    and session_id = %(session_id)s

-- end_sessions --
-- Ends all sessions of a person, but for the one that is kept (null: none).
update app.sessions
set ended_at = %(now)s, ended_because = %(because)s
where tenant_id = %(tenant_id)s
    and user_id = %(user_id)s
    and ended_at is null
    and session_id is distinct from %(kept_session_id)s::uuid

-- forget_sessions --
-- Drops a person's sessions that were over 90 days ago, with their tokens.
delete from app.sessions
where tenant_id = %(tenant_id)s
    and user_id = %(user_id)s
    and least(ended_at, idle_until, ends_at) < %(now)s - interval '90 days'
