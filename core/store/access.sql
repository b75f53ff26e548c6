-- find_api_key --
-- The key with this prefix and the state of its tenant: one of two reads without a tenant.
select
    k.tenant_id, k.api_key_id, k.key_hash, k.scopes, k.expires_at, k.revoked_at, k.tenant_status
from app.find_api_key(%(prefix)s) as k

-- find_login --
-- The person with this address in this tenant: the other read without a tenant.
select l.tenant_id, l.user_id, l.password_hash, l.role, l.user_status, l.tenant_status
from app.find_login(%(slug)s, %(email)s) as l

-- get_user_access --
-- What a signed-in person may do now: role and states, read on every request.
select u.role, u.status as user_status, t.status as tenant_status
from app.users as u
inner join app.tenants as t on u.tenant_id = t.tenant_id
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s

-- touch_api_key --
-- Remembers that a key was used, to the minute.
update app.api_keys
set last_used_at = now()
where tenant_id = %(tenant_id)s
    and api_key_id = %(api_key_id)s
    and (last_used_at is null or last_used_at < now() - interval '1 minute')

-- insert_api_key --
-- A new key: prefix and hash only.
insert into app.api_keys (tenant_id, api_key_id, name, prefix, key_hash, scopes, expires_at)
values (
    %(tenant_id)s, %(api_key_id)s, %(name)s, %(prefix)s, %(key_hash)s, %(scopes)s, %(expires_at)s
)
returning api_key_id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at

-- list_api_keys --
-- The tenant's keys, newest first.
select
    k.api_key_id, k.name, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at,
    k.revoked_at
from app.api_keys as k
where k.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or k.api_key_id < %(after)s::uuid)
order by k.api_key_id desc
limit %(limit)s

-- revoke_api_key --
-- Ends a key at once; revoking twice keeps the first instant.
update app.api_keys
set revoked_at = coalesce(revoked_at, now())
where tenant_id = %(tenant_id)s and api_key_id = %(api_key_id)s
returning api_key_id

-- insert_user --
-- A new person of a tenant; nothing when the address is taken.
insert into app.users (tenant_id, user_id, email, name, role, password_hash)
values (
    %(tenant_id)s, %(user_id)s, %(email)s, %(name)s, %(role)s, %(password_hash)s
)
on conflict (tenant_id, email) do nothing
returning user_id
