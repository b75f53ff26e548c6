-- The pacer's reads: what is due, in the order in which it goes out, without a look at what is not.

-- Rows that wait for an hour of their own lie behind those that may go: a million of them cost a
-- tick nothing. Expand before contract: the two indexes these replace go with the same release,
-- for nothing but the pacer read them.
create index messages_due_by_campaign on app.messages (
    tenant_id, campaign_id, wave, (coalesce(not_before, '-infinity'::timestamptz)), message_id
) where state = 'queued' and campaign_id is not null;
drop index app.messages_queued_by_campaign;

create index messages_due_single on app.messages (
    tenant_id, phone_number_id, (coalesce(not_before, '-infinity'::timestamptz)), message_id
) where state = 'queued' and campaign_id is null;
drop index app.messages_queued_single;

-- Meta changed a number's rate (THROUGHPUT_UPGRADE, or a sync): the new one holds at once, up and
-- down, whoever wrote it. What 130429 took from the old rate says nothing about the new one.
create function app.follow_throughput() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    new.granted_per_second := new.throughput_per_second;
    new.throttled_at := null;
    return new;
end
$$;
revoke execute on function app.follow_throughput() from public;
create trigger follow_throughput before update of throughput_per_second on app.phone_numbers
    for each row when (old.throughput_per_second <> new.throughput_per_second)
    execute function app.follow_throughput();

-- A portfolio's limit is one for all tenants that have numbers in it: they are found by its id.
create index portfolios_by_id on app.portfolios (portfolio_id);

-- How much of a portfolio's moving day is used, over all tenants that share it: what the API may
-- tell a tenant about its own portfolios, in sums. Nothing for a portfolio without a limit.
create function app.portfolio_usage(wanted_portfolio_id text)
    returns table (people_per_day integer, used bigint, oldest_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select newest.people_per_day, reach.used, reach.oldest_at
    from (
        -- Meta has one limit for it; whichever tenant heard last knows best.
        select p.people_per_day
        from app.portfolios as p
        where p.portfolio_id = wanted_portfolio_id
        order by p.updated_at desc
        limit 1
    ) as newest
    cross join lateral (
        select count(*) as used, min(r.reached_at) as oldest_at
        from app.portfolios as p
        inner join app.portfolio_reach as r
            on p.tenant_id = r.tenant_id
            and p.portfolio_id = r.portfolio_id
        where p.portfolio_id = wanted_portfolio_id
            and r.reached_at > now() - interval '24 hours'
    ) as reach
    where newest.people_per_day is not null
        and exists (
            select 1
            from app.portfolios as own
            where own.tenant_id = app.current_tenant_id()
                and own.portfolio_id = wanted_portfolio_id
        )
$$;
create policy limits on app.portfolios for select to carteiro_auth using (true);
create policy limits on app.portfolio_reach for select to carteiro_auth using (true);
grant select on app.portfolios, app.portfolio_reach to carteiro_auth;
-- A function gets an owner only with CREATE on its schema; taken back at once.
grant create on schema app to carteiro_auth;
alter function app.portfolio_usage(text) owner to carteiro_auth;
revoke create on schema app from carteiro_auth;
revoke execute on function app.portfolio_usage(text) from public;
grant execute on function app.portfolio_usage(text) to carteiro_app;
grant execute on function app.current_tenant_id() to carteiro_auth;
