-- get_tenant --
-- The tenant as it may see itself, with the plan that is valid today in its own zone.
select
    t.tenant_id,
    t.slug,
    t.name,
    t.timezone,
    t.currency,
    t.locale,
    t.default_region,
    t.status,
    t.created_at,
    t.four_eyes,
    t.marketing_cap_messages,
    t.marketing_cap_days,
    t.blocked_countries,
    t.four_eyes_off_asked_by,
    t.four_eyes_off_asked_at,
    p.code as plan
from app.tenants as t
left join billing.subscriptions as s
    on t.tenant_id = s.tenant_id and s.valid @> (now() at time zone t.timezone)::date
left join billing.plan_versions as v on s.plan_version_id = v.plan_version_id
left join billing.plans as p on v.plan_id = p.plan_id
where t.tenant_id = %(tenant_id)s

-- get_tenant_region --
-- The country that numbers without a calling code belong to.
select t.default_region
from app.tenants as t
where t.tenant_id = %(tenant_id)s

-- find_tenant_by_slug --
-- A tenant by the name people use for it.
-- cross-tenant: an operator command starts from the slug.
select t.tenant_id, t.name, t.timezone, t.currency, t.status
from app.tenants as t
where t.slug = %(slug)s

-- insert_tenant --
-- A new tenant with its own pseudonym key.
insert into app.tenants (
    tenant_id, slug, name, timezone, currency, locale, default_region, pseudonym_key
)
values (
    %(tenant_id)s, %(slug)s, %(name)s, %(timezone)s, %(currency)s, %(locale)s,
    %(default_region)s, %(pseudonym_key)s
)
on conflict (slug) do nothing
returning tenant_id

-- get_tenant_zone --
-- The zone in which a tenant's wall clocks are read.
select t.timezone
from app.tenants as t
where t.tenant_id = %(tenant_id)s

-- lock_settings --
-- Changes of one group of a tenant's settings one after the other; ends with the transaction.
select pg_advisory_xact_lock(
    hashtextextended('settings/' || %(tenant_id)s::text || '/' || %(settings)s::text, 0)
)

-- lock_tenant --
-- What a tenant may change of itself, held against changes until the transaction ends.
select
    t.name,
    t.locale,
    t.timezone,
    t.four_eyes,
    t.marketing_cap_messages,
    t.marketing_cap_days,
    t.blocked_countries,
    t.four_eyes_off_asked_by,
    t.four_eyes_off_asked_at,
    exists (
        select 1
        from billing.invoices as i
        where i.tenant_id = t.tenant_id
    ) as billed
from app.tenants as t
where t.tenant_id = %(tenant_id)s
for update of t

-- change_tenant --
-- The tenant's own rules, all of them as they are to be.
update app.tenants
set
    name = %(name)s,
    locale = %(locale)s,
    timezone = %(timezone)s,
    four_eyes = %(four_eyes)s,
    marketing_cap_messages = %(marketing_cap_messages)s,
    marketing_cap_days = %(marketing_cap_days)s,
    blocked_countries = %(blocked_countries)s,
    four_eyes_off_asked_by = %(four_eyes_off_asked_by)s,
    four_eyes_off_asked_at = %(four_eyes_off_asked_at)s
where tenant_id = %(tenant_id)s
