-- insert_switch --
-- Sets a switch, and says so in the audit entries.
-- cross-tenant: an operator's stop may concern every tenant
with switched as (
    insert into ops.switches (
        switch_id, scope, tenant_id, subject, reason, set_by, expires_at
    )
    values (
        %(switch_id)s, %(scope)s, %(tenant_id)s, %(subject)s, %(reason)s, %(actor)s,
        now() + make_interval(secs => %(seconds)s)
    )
    returning switch_id, scope, expires_at
)

insert into app.audit_entries (
    tenant_id, actor, actor_kind, operation, target_kind, target_id, details
)
select
    coalesce(%(tenant_id)s::uuid, '00000000-0000-0000-0000-000000000000'),
    'operator:' || %(actor)s::text,
    'operator',
    'switch.set',
    'switch',
    s.switch_id::text,
    jsonb_build_object(
        'scope', s.scope, 'subject', %(subject)s::text, 'reason', %(reason)s::text,
        'expires_at', s.expires_at
    )
from switched as s

-- lift_switch --
-- Ends a switch before its time, and says so in the audit entries; no row when it had ended.
-- cross-tenant: an operator's stop may concern every tenant
with lifted as (
    update ops.switches
    set
        lifted_at = now(),
        lifted_by = %(actor)s
    where switch_id = %(switch_id)s
        and lifted_at is null
        and expires_at > now()
    returning switch_id, scope, tenant_id
)

insert into app.audit_entries (
    tenant_id, actor, actor_kind, operation, target_kind, target_id, details
)
select
    coalesce(l.tenant_id, '00000000-0000-0000-0000-000000000000'),
    'operator:' || %(actor)s::text,
    'operator',
    'switch.lifted',
    'switch',
    l.switch_id::text,
    jsonb_build_object('scope', l.scope)
from lifted as l

-- list_switches --
-- The switches in force, newest first; on request also what has ended.
-- cross-tenant: an operator's stop may concern every tenant
select
    s.switch_id,
    s.scope,
    tenant.slug,
    s.subject,
    s.reason,
    s.set_by,
    s.set_at,
    s.expires_at,
    s.lifted_at,
    s.lifted_by
from ops.switches as s
left join app.tenants as tenant on s.tenant_id = tenant.tenant_id
where %(include_ended)s::boolean
    or (s.lifted_at is null and s.expires_at > now())
order by s.set_at desc
limit %(limit)s

-- find_tenant --
-- A tenant by its slug.
select t.tenant_id
from app.tenants as t
where t.slug = %(slug)s

-- find_campaign_tenant --
-- Whose campaign this is.
select c.tenant_id
from app.campaigns as c
where c.campaign_id = %(campaign_id)s

-- find_number_tenant --
-- Whose number this is.
select n.tenant_id
from app.phone_numbers as n
where n.phone_number_id = %(phone_number_id)s

-- accepts_webhooks_only --
-- Whether webhooks are to be landed and not applied.
-- cross-tenant: an operator's stop may concern every tenant
select exists (
    select 1
    from ops.switches as s
    where s.scope = 'webhooks_accept_only'
        and s.lifted_at is null
        and s.expires_at > now()
) as accepts_only

-- read_only_until --
-- Until when the API must not change anything; null: it may.
-- cross-tenant: a function that knows no tenant
select app.read_only_until() as until
