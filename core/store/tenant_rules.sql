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
        blocked_countries = coalesce(%(blocked_countries)s::text[], blocked_countries)
    where tenant_id = %(tenant_id)s
    returning
        tenant_id, four_eyes, marketing_cap_messages, marketing_cap_days, blocked_countries
),

audited as (
    insert into ops.audit_entries (actor, action, subject, detail)
    select
        %(actor)s,
        'tenant.rules_set',
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
