-- What a tenant is told of the operator's switches and of landing. The API reads nothing else of
-- ops, and none of Meta's webhooks. Expand only.

-- The switches in force that concern the tenant of the transaction: its own, and everybody's. The
-- reason is the operator's own note, who set it the operator's name: neither is told.
create function app.switches_in_force()
    returns table (scope text, subject text, expires_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select s.scope, s.subject, max(s.expires_at)
    from ops.switches as s
    where s.lifted_at is null
        and s.expires_at > now()
        and (s.tenant_id is null or s.tenant_id = app.current_tenant_id())
    group by s.scope, s.subject
$$;
revoke execute on function app.switches_in_force() from public;
grant execute on function app.switches_in_force() to carteiro_app;

-- Since when the first webhook of Meta's in the line waits to be applied; null: none does. The line
-- is one for all tenants.
create function app.webhooks_waiting_since() returns timestamptz
    language sql stable security definer set search_path = pg_catalog, pg_temp
    return (
        select q.received_at
        from raw.webhook_queue as q
        where q.not_before <= now()
        order by q.body_id
        limit 1
    );
revoke execute on function app.webhooks_waiting_since() from public;
grant execute on function app.webhooks_waiting_since() to carteiro_app;
