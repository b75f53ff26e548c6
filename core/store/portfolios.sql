-- list_usage --
-- Of every limited portfolio: its limit, the people of the moving day, and when the oldest was.
-- cross-tenant: a limit is shared by all tenants with numbers in the portfolio
select
    newest.portfolio_id,
    newest.people_per_day,
    reach.used,
    reach.oldest_at
from (
    select distinct on (p.portfolio_id) p.portfolio_id, p.people_per_day
    from app.portfolios as p
    where not p.portfolio_id = any(%(without)s::text[])
        and (%(only)s::text is null or p.portfolio_id = %(only)s::text)
    order by p.portfolio_id asc, p.updated_at desc
) as newest
cross join lateral (
    select count(*) as used, min(r.reached_at) as oldest_at
    from app.portfolios as sharing
    inner join app.portfolio_reach as r
        on sharing.tenant_id = r.tenant_id
        and sharing.portfolio_id = r.portfolio_id
    where sharing.portfolio_id = newest.portfolio_id
        and r.reached_at > now() - interval '24 hours'
) as reach
where newest.people_per_day is not null

-- list_portfolios --
-- The portfolios of a tenant with what is used of their limits, shared ones as a whole.
select
    own.portfolio_id,
    own.known,
    usage.people_per_day,
    usage.used,
    case
        when usage.people_per_day is not null then greatest(0, usage.people_per_day - usage.used)
    end as free,
    case
        when usage.used >= usage.people_per_day then usage.oldest_at + interval '24 hours'
    end as next_free_at
from (
    select distinct account.portfolio_id, p.portfolio_id is not null as known
    from app.whatsapp_accounts as account
    left join app.portfolios as p
        on account.tenant_id = p.tenant_id
        and account.portfolio_id = p.portfolio_id
    where account.tenant_id = %(tenant_id)s
) as own
left join lateral app.portfolio_usage(own.portfolio_id) as usage on true
where %(after)s::text is null or own.portfolio_id > %(after)s::text
order by own.portfolio_id
limit %(limit)s

-- forget_reach --
-- Deletes people who fell out of the moving day long ago, up to a limit a portfolio.
-- cross-tenant: one pacer keeps house for every tenant
with gone as materialized (
    select p.tenant_id, p.portfolio_id, old.contact_id
    from app.portfolios as p
    cross join lateral (
        select r.contact_id
        from app.portfolio_reach as r
        where r.tenant_id = p.tenant_id
            and r.portfolio_id = p.portfolio_id
            and r.reached_at < now() - interval '25 hours'
        order by r.reached_at
        limit %(limit)s
    ) as old
)

delete from app.portfolio_reach as r
using gone
where r.tenant_id = gone.tenant_id
    and r.portfolio_id = gone.portfolio_id
    and r.contact_id = gone.contact_id
    -- Who was reached again meanwhile stays.
    and r.reached_at < now() - interval '25 hours'
