-- forget_idempotency_keys --
-- Removes keys whose requests nobody repeats any more, the oldest first.
-- cross-tenant: one settler serves every tenant
delete from app.idempotency_keys as k
using (
    select old.tenant_id, old.idempotency_key
    from app.idempotency_keys as old
    where old.created_at < now() - make_interval(hours => %(hours)s)
    order by old.created_at
    limit %(limit)s
) as old
where k.tenant_id = old.tenant_id
    and k.idempotency_key = old.idempotency_key

-- forget_refresh_tokens --
-- Removes refresh tokens that were used long ago; whoever shows one is refused as before.
-- cross-tenant: one settler serves every tenant
delete from app.refresh_tokens as t
using (
    select old.tenant_id, old.session_id, old.generation
    from app.refresh_tokens as old
    where old.used_at < now() - make_interval(days => %(days)s)
    order by old.used_at
    limit %(limit)s
) as old
where t.tenant_id = old.tenant_id
    and t.session_id = old.session_id
    and t.generation = old.generation

-- forget_sessions --
-- Removes sessions that could not have gone on for days, with their refresh tokens.
-- cross-tenant: one settler serves every tenant
delete from app.sessions as s
using (
    select old.tenant_id, old.session_id
    from app.sessions as old
    where old.ends_at < now() - make_interval(days => %(days)s)
    order by old.ends_at
    limit %(limit)s
) as old
where s.tenant_id = old.tenant_id
    and s.session_id = old.session_id
