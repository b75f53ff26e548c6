-- set_rules --
-- Changes a tenant's rules, those that are named, and says so in the audit entries.
with changed as (
    update app.tenants
    set
        four_eyes = coalesce(%(four_eyes)s::boolean, four_eyes),
        marketing_cap_messages = case
            when %(sets_cap)s then %(cap_messages)s::integer else marketing_cap_messages
        end,
        marketing_cap_days = case
            when %(sets_cap)s then %(cap_days)s::integer else marketing_cap_days
        end,
        -- An owner's wish to end the rule is over with the operator's decision.
        four_eyes_off_asked_by = case
            when %(four_eyes)s::boolean is null then four_eyes_off_asked_by
        end,
        four_eyes_off_asked_at = case
            when %(four_eyes)s::boolean is null then four_eyes_off_asked_at
        end,
        blocked_countries = coalesce(%(blocked_countries)s::text[], blocked_countries)
    where tenant_id = %(tenant_id)s
    returning
        tenant_id, four_eyes, marketing_cap_messages, marketing_cap_days, blocked_countries
),

audited as (
    insert into app.audit_entries (
        tenant_id, actor, actor_kind, operation, target_kind, target_id, details
    )
    select
        c.tenant_id,
        'operator:' || %(actor)s::text,
        'operator',
        'tenant.rules_set',
        'tenant',
        c.tenant_id::text,
        to_jsonb(c) - 'tenant_id'
    from changed as c
)

select
    c.four_eyes,
    c.marketing_cap_messages,
    c.marketing_cap_days,
    c.blocked_countries
from changed as c
