-- list_quiet_hours --
-- Every rule of the tenant, the most exact first; equal times are no nightly hours.
select
    q.country,
    q.category,
    case when q.starts_at <> q.ends_at then to_char(q.starts_at, 'HH24:MI') end as starts_at,
    case when q.starts_at <> q.ends_at then to_char(q.ends_at, 'HH24:MI') end as ends_at,
    q.quiet_days,
    q.updated_at
from app.quiet_hours as q
where q.tenant_id = %(tenant_id)s
order by q.country <> '*' desc, q.country, q.category <> '*' desc, q.category

-- put_quiet_hours --
-- Writes the rule of a country and category.
insert into app.quiet_hours as q (
    tenant_id, country, category, starts_at, ends_at, quiet_days
)
values (
    %(tenant_id)s, %(country)s, %(category)s, %(starts_at)s, %(ends_at)s,
    %(quiet_days)s::smallint[]
)
on conflict (tenant_id, country, category) do update
set
    starts_at = excluded.starts_at,
    ends_at = excluded.ends_at,
    quiet_days = excluded.quiet_days,
    updated_at = now()
returning
    q.country,
    q.category,
    case when q.starts_at <> q.ends_at then to_char(q.starts_at, 'HH24:MI') end as starts_at,
    case when q.starts_at <> q.ends_at then to_char(q.ends_at, 'HH24:MI') end as ends_at,
    q.quiet_days,
    q.updated_at

-- delete_quiet_hours --
-- Takes the rule of a country and category back.
delete from app.quiet_hours
where tenant_id = %(tenant_id)s
    and country = %(country)s
    and category = %(category)s
