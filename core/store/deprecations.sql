-- add_uses --
-- Adds what one process has counted to the days of a tenant.
insert into app.deprecated_uses (tenant_id, operation, day, uses)
select
    %(tenant_id)s,
    counted.operation,
    counted.day,
    counted.uses
from unnest(
    %(operations)s::text [], %(days)s::date [], %(uses)s::bigint []
) as counted (operation, day, uses)
on conflict (tenant_id, operation, day) do update
    set uses = deprecated_uses.uses + excluded.uses

-- list_uses --
-- The days on which a tenant used an operation that ends, oldest first.
select
    u.operation,
    u.day,
    u.uses
from app.deprecated_uses as u
where u.tenant_id = %(tenant_id)s
    and u.day >= %(from_date)s
    and u.day < %(to_date)s
order by u.operation, u.day

-- list_users --
-- Who still uses what ends: by operation and tenant, the most frequent first.
-- cross-tenant: an operator asks whom a sunset would hit
select
    u.operation,
    tenant.slug,
    sum(u.uses)::bigint as uses,
    max(u.day) as last_day
from app.deprecated_uses as u
inner join app.tenants as tenant on u.tenant_id = tenant.tenant_id
where u.day >= %(from_date)s
    and (%(operation)s::text is null or u.operation = %(operation)s::text)
group by u.operation, tenant.slug
order by u.operation, uses desc, tenant.slug
