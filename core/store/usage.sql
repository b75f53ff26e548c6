-- list_usage --
-- Delivered messages by day of the tenant's zone, category and market, from the published view.
select
    u.tenant_date as date,
    u.category,
    u.market,
    u.pricing_type,
    sum(u.delivered_count)::bigint as delivered,
    sum(u.read_count)::bigint as read
from tenant_marts.usage_daily as u
where u.tenant_id = %(tenant_id)s
    and u.tenant_date >= %(from_date)s
    and u.tenant_date < %(to_date)s
    and (%(category)s::text is null or u.category = %(category)s::text)
group by u.tenant_date, u.category, u.market, u.pricing_type
order by u.tenant_date, u.category, u.market, u.pricing_type
limit %(limit)s
