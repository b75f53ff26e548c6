-- try_lock_key --
-- Whether this transaction alone works on the key now.
select pg_try_advisory_xact_lock(
    hashtextextended('carteiro.idempotency.' || %(tenant_id)s::text || %(key)s, 0)
) as alone

-- claim_key --
-- Claims a key in the transaction of its effect; nothing when it was claimed before.
insert into app.idempotency_keys (tenant_id, idempotency_key, operation, request_hash)
values (%(tenant_id)s, %(key)s, %(operation)s, %(request_hash)s)
on conflict (tenant_id, idempotency_key) do nothing
returning idempotency_key

-- get_key --
-- What an earlier request with the key was, and what it was answered.
select k.operation, k.request_hash, k.status_code, k.response
from app.idempotency_keys as k
where k.tenant_id = %(tenant_id)s and k.idempotency_key = %(key)s

-- keep_response --
-- Stores the answer beside the key, to be given again.
update app.idempotency_keys
set status_code = %(status_code)s, response = %(response)s::jsonb
where tenant_id = %(tenant_id)s and idempotency_key = %(key)s
