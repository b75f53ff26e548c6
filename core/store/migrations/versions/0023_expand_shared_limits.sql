-- A portfolio's limit holds for every tenant with an account in it, also for one that Meta has told
-- nothing yet: whoever shares it is found by its accounts, and the smallest limit heard counts.

create policy limits on app.whatsapp_accounts for select to carteiro_auth using (true);
grant select (tenant_id, portfolio_id) on app.whatsapp_accounts to carteiro_auth;
create index whatsapp_accounts_by_portfolio on app.whatsapp_accounts (portfolio_id, tenant_id);

create or replace function app.portfolio_usage(wanted_portfolio_id text)
    returns table (people_per_day integer, used bigint, oldest_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select heard.people_per_day, reach.used, reach.oldest_at
    from (
        select min(p.people_per_day) as people_per_day
        from app.portfolios as p
        where p.portfolio_id = wanted_portfolio_id
    ) as heard
    cross join lateral (
        select count(*) as used, min(r.reached_at) as oldest_at
        from (
            select distinct account.tenant_id
            from app.whatsapp_accounts as account
            where account.portfolio_id = wanted_portfolio_id
        ) as sharing
        inner join app.portfolio_reach as r on sharing.tenant_id = r.tenant_id
        where r.portfolio_id = wanted_portfolio_id
            and r.reached_at > now() - interval '24 hours'
    ) as reach
    where heard.people_per_day is not null
        and exists (
            select 1
            from app.whatsapp_accounts as own
            where own.tenant_id = app.current_tenant_id()
                and own.portfolio_id = wanted_portfolio_id
        )
$$;
