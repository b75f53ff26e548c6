-- list_usage --
-- Of every limited portfolio: its limit, the people of the moving day, and when the oldest was.
-- cross-tenant: a limit is shared by all tenants with numbers in the portfolio
select
    heard.portfolio_id,
    heard.people_per_day,
    reach.used,
    reach.oldest_at
from (
    -- Meta has one limit for all that share it; the smallest that any of them heard counts, until
    -- all have heard the larger one. Null, no limit, gives way to a number.
    select p.portfolio_id, min(p.people_per_day) as people_per_day
    from app.portfolios as p
    where not p.portfolio_id = any(%(without)s::text[])
        and (%(only)s::text is null or p.portfolio_id = %(only)s::text)
    group by p.portfolio_id
) as heard
cross join lateral (
    select count(*) as used, min(r.reached_at) as oldest_at
    from (
        select distinct account.tenant_id
        from app.whatsapp_accounts as account
        where account.portfolio_id = heard.portfolio_id
    ) as sharing
    inner join app.portfolio_reach as r on sharing.tenant_id = r.tenant_id
    where r.portfolio_id = heard.portfolio_id
        and r.reached_at > now() - interval '24 hours'
) as reach
where heard.people_per_day is not null

-- list_portfolios --
-- A tenant's portfolios, or one, with what is used of their limits, shared ones as a whole.
select
    own.portfolio_id,
    own.known or usage.people_per_day is not null as known,
    usage.people_per_day,
    usage.used,
    case
        when usage.people_per_day is not null then greatest(0, usage.people_per_day - usage.used)
    end as free,
    case
        when usage.used >= usage.people_per_day then usage.oldest_at + interval '24 hours'
    end as next_free_at,
    own.created_at
from (
    select
        account.portfolio_id,
        p.portfolio_id is not null as known,
        min(account.created_at) as created_at
    from app.whatsapp_accounts as account
    left join app.portfolios as p
        on account.tenant_id = p.tenant_id
        and account.portfolio_id = p.portfolio_id
    where account.tenant_id = %(tenant_id)s
    group by account.portfolio_id, p.portfolio_id
) as own
left join lateral app.portfolio_usage(own.portfolio_id) as usage on true
where (%(portfolio_id)s::text is null or own.portfolio_id = %(portfolio_id)s)
    and (%(after)s::text is null or own.portfolio_id > %(after)s::text)
    and (%(created_from)s::timestamptz is null or own.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or own.created_at < %(created_to)s)
order by own.portfolio_id
limit %(limit)s

-- forget_reach --
-- Deletes people who fell out of the moving day long ago, up to a limit a portfolio.
-- cross-tenant: one pacer keeps house for every tenant
with gone as materialized (
    select sharing.tenant_id, sharing.portfolio_id, old.contact_id
    from (
        select distinct account.tenant_id, account.portfolio_id
        from app.whatsapp_accounts as account
    ) as sharing
    cross join lateral (
        select r.contact_id
        from app.portfolio_reach as r
        where r.tenant_id = sharing.tenant_id
            and r.portfolio_id = sharing.portfolio_id
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
