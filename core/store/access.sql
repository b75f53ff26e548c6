-- find_credential --
-- The key with this prefix, who made it, and the state of both: a read without a tenant.
select
    k.tenant_id, k.api_key_id, k.key_hash, k.scopes, k.expires_at, k.revoked_at, k.tenant_status,
    k.maker_id, k.root_key_id, k.maker_role, k.maker_status
from app.find_credential(%(prefix)s) as k

-- find_person --
-- The person with this address in this tenant: another read without a tenant.
select
    p.tenant_id, p.user_id, p.password_hash, p.role, p.user_status, p.tenant_status,
    p.knows_address
from app.find_person(%(slug)s, %(email)s, %(address_digest)s) as p

-- take_login_attempt --
-- Counts an attempt to sign in, or says how long to wait before the next one.
select a.wait_seconds, a.taken_at
from app.take_login_attempt(
    %(account)s, %(free)s, %(most_of_account)s, %(address)s, %(most_of_address)s, %(seconds)s
) as a

-- forgive_login_attempt --
-- Takes back an attempt that was no failure.
select app.forgive_login_attempt(%(account)s, %(address)s, %(taken_at)s, %(over)s)

-- find_session --
-- What a signed-in person may do now: session, role and states; the third read without a tenant.
select s.role, s.user_status, s.tenant_status
from app.find_session(%(tenant_id)s, %(session_id)s, %(user_id)s, %(now)s) as s

-- touch_api_key --
-- Remembers that a key was used, to the minute.
update app.api_keys
set last_used_at = now()
where tenant_id = %(tenant_id)s
    and api_key_id = %(api_key_id)s
    and (last_used_at is null or last_used_at < now() - interval '1 minute')

-- insert_api_key --
-- A new key: prefix and hash only.
insert into app.api_keys (
    tenant_id, api_key_id, name, prefix, key_hash, scopes, expires_at, maker_id, root_key_id,
    rotated_from
)
values (
    %(tenant_id)s, %(api_key_id)s, %(name)s, %(prefix)s, %(key_hash)s, %(scopes)s, %(expires_at)s,
    %(maker_id)s, %(root_key_id)s, %(rotated_from)s
)
returning
    api_key_id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at,
    coalesce('user:' || maker_id, 'api_key:' || coalesce(root_key_id, api_key_id)) as made_by,
    rotated_from

-- get_api_key --
-- One key, held against changes until the transaction ends.
select
    k.api_key_id, k.name, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at,
    k.revoked_at,
    coalesce('user:' || k.maker_id, 'api_key:' || coalesce(k.root_key_id, k.api_key_id))
        as made_by,
    k.rotated_from
from app.api_keys as k
where k.tenant_id = %(tenant_id)s and k.api_key_id = %(api_key_id)s
for update of k

-- list_api_keys --
-- The tenant's keys, newest first, as far as the filters let them through.
select
    k.api_key_id, k.name, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at,
    k.revoked_at,
    coalesce('user:' || k.maker_id, 'api_key:' || coalesce(k.root_key_id, k.api_key_id))
        as made_by,
    k.rotated_from
from app.api_keys as k
where k.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or k.api_key_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or k.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or k.created_at < %(created_to)s)
    and (
        %(made_by)s::text is null
        or %(made_by)s::text
        = coalesce('user:' || k.maker_id, 'api_key:' || coalesce(k.root_key_id, k.api_key_id))
    )
    and (
        %(state)s::text is null
        or %(state)s::text = case
            when k.revoked_at is not null then 'revoked'
            when k.expires_at <= %(now)s then 'expired'
            else 'active'
        end
    )
order by k.api_key_id desc
limit %(limit)s

-- change_api_key --
-- What may be changed of a key: its name, what it may do, and when it ends.
update app.api_keys as k
set name = %(name)s, scopes = %(scopes)s, expires_at = %(expires_at)s
where k.tenant_id = %(tenant_id)s and k.api_key_id = %(api_key_id)s
returning
    k.api_key_id, k.name, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at,
    k.revoked_at,
    coalesce('user:' || k.maker_id, 'api_key:' || coalesce(k.root_key_id, k.api_key_id))
        as made_by,
    k.rotated_from

-- revoke_api_key --
-- Ends a key at once; revoking twice keeps the first instant.
update app.api_keys
set revoked_at = coalesce(revoked_at, now())
where tenant_id = %(tenant_id)s and api_key_id = %(api_key_id)s
returning api_key_id
