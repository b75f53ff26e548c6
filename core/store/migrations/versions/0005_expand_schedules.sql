-- Campaigns in time: schedules, series, quiet hours. Expand only.

-- ---------------------------------------------------------------------------------------------
-- Quiet hours
-- ---------------------------------------------------------------------------------------------

-- Whole local days of quiet beside the nightly hours (ISO: Monday 1 .. Sunday 7), never all seven.
-- starts_at = ends_at: no nightly hours; with no day either, an exception that is never quiet.
alter table app.quiet_hours
    add column quiet_days smallint[] not null default '{}'
        check (
            quiet_days <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]
            and not quiet_days @> array[1, 2, 3, 4, 5, 6, 7]::smallint[]
        );
alter table app.quiet_hours drop constraint quiet_hours_check;

-- The first instant from `at` on that is not quiet, by the person's wall clock; null: not quiet
-- now. The same rule as core/domain/quiet_hours.py, held equal by a test: the country decides
-- before the category, '*' is any; a wall clock that occurs twice is read as the later of the two,
-- one that does not occur as the clock that runs on unchanged, which is how `at time zone` reads
-- both. plpgsql, for its plans are kept: 6 us for a tenant without rows, 20 us for one with (2026-11).
create or replace function app.quiet_until(
    wanted_tenant_id uuid, wanted_country text, wanted_category text, zone text, at timestamptz
) returns timestamptz
    language plpgsql stable parallel restricted
as $$
declare
    rule record;
    clock text := zone;
    wall timestamp;
    found_at timestamptz := at;
begin
    if not exists (select from app.quiet_hours as q where q.tenant_id = wanted_tenant_id) then
        return null;
    end if;
    select q.starts_at, q.ends_at, q.quiet_days into rule
    from app.quiet_hours as q
    where q.tenant_id = wanted_tenant_id
        and q.country in ('*', wanted_country)
        and q.category in ('*', wanted_category)
    order by q.country <> '*' desc, q.category <> '*' desc
    limit 1;
    if not found then
        return null;
    end if;
    if clock is null then
        select t.timezone into clock from app.tenants as t where t.tenant_id = wanted_tenant_id;
    end if;
    begin
        wall := found_at at time zone clock;
    exception when invalid_parameter_value then
        -- No such zone: the tenant's, for an error here would hold up the whole ticket.
        select t.timezone into clock from app.tenants as t where t.tenant_id = wanted_tenant_id;
    end;
    -- Nights and quiet days may follow each other; a week holds an open minute, a gap may eat one.
    for step in 1..64 loop
        wall := found_at at time zone clock;
        if extract(isodow from wall)::smallint = any(rule.quiet_days) then
            wall := wall::date + 1;
        elsif rule.starts_at < rule.ends_at
            and wall::time >= rule.starts_at and wall::time < rule.ends_at then
            wall := wall::date + rule.ends_at;
        elsif rule.starts_at > rule.ends_at and wall::time >= rule.starts_at then
            wall := wall::date + 1 + rule.ends_at;
        elsif rule.starts_at > rule.ends_at and wall::time < rule.ends_at then
            wall := wall::date + rule.ends_at;
        else
            exit;
        end if;
        found_at := wall at time zone clock;
    end loop;
    return case when found_at > at then found_at end;
end
$$;

-- ---------------------------------------------------------------------------------------------
-- Schedules
-- ---------------------------------------------------------------------------------------------

-- A campaign that is made anew at every occurrence of a rule, on the tenant's wall clock.
create table app.campaign_series (
    tenant_id uuid not null references app.tenants,
    series_id uuid not null,
    name text not null,
    phone_number_id text not null,
    template_id uuid not null,
    list_id uuid not null,
    parameters jsonb not null default '{}',
    local_delivery boolean not null default false,
    -- The first wall clock it may occur at, and an RFC 5545 rule (core/domain/schedules.py).
    starts_at timestamp not null,
    rule text not null,
    max_lateness_seconds integer not null default 14400
        check (max_lateness_seconds between 60 and 604800),
    -- How long before its occurrence a campaign is made and planned.
    lead_seconds integer not null default 3600 check (lead_seconds between 300 and 86400),
    status text not null default 'active' check (status in ('active', 'paused', 'ended', 'deleted')),
    -- The occurrence that is made next, as wall clock and as instant; null: none is left.
    next_local timestamp,
    next_at timestamptz,
    -- A standing approval: of these parameters, this list, and this version of the template.
    approved_by text,
    approved_at timestamptz,
    approved_template_version_hash text,
    approved_category text,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, series_id),
    foreign key (tenant_id, phone_number_id) references app.phone_numbers,
    foreign key (tenant_id, template_id) references app.templates,
    foreign key (tenant_id, list_id) references app.lists
);
create index campaign_series_due on app.campaign_series (next_at) where status = 'active';
select ops.protect_tenant_table('app.campaign_series');
grant select, insert, update on app.campaign_series to carteiro_app;
grant update on app.campaign_series to carteiro_worker;

-- One row for each occurrence that came: the campaign it became, or why none.
create table app.series_occurrences (
    tenant_id uuid not null,
    series_id uuid not null,
    -- The wall clock names an occurrence: a zone that changes its rules moves it, never doubles it.
    occurrence timestamp not null,
    occurs_at timestamptz not null,
    campaign_id uuid,
    skipped_reason text check (skipped_reason in ('previous_open', 'missed')),
    recorded_at timestamptz not null default now(),
    primary key (tenant_id, series_id, occurrence),
    foreign key (tenant_id, series_id) references app.campaign_series,
    check ((campaign_id is null) = (skipped_reason is not null))
);
select ops.protect_tenant_table('app.series_occurrences');
grant select on app.series_occurrences to carteiro_app;
grant insert on app.series_occurrences to carteiro_worker;

alter table app.campaigns
    add column series_id uuid,
    -- Started later than this after scheduled_at, it is paused for a person to decide instead.
    add column max_lateness_seconds integer not null default 14400
        check (max_lateness_seconds between 60 and 604800),
    -- Where a paused campaign goes back to; null: to running.
    add column paused_from text,
    add column resumed_at timestamptz,
    -- Why the plan no longer says what would be sent: template_changed.
    add column plan_stale_reason text,
    add constraint campaigns_local_delivery_needs_a_time
        check (not local_delivery or scheduled_at is not null);

create index campaigns_by_series on app.campaigns (tenant_id, series_id)
    where series_id is not null;
-- What the scheduler looks at every second: campaigns that are neither drafts nor over.
create index campaigns_unfinished on app.campaigns (status, scheduled_at)
    where finished_at is null and status in ('planned', 'approved', 'running', 'paused', 'cancelled');

-- A campaign's state as people see it: stored, or derived from its rows. The bounds on message_id
-- prune partitions: a campaign's rows are made while it is planned. The same rule as
-- core/domain/campaign_state.py, held equal by a test.
create view app.campaign_states with (security_invoker = true) as
select
    c.tenant_id,
    c.campaign_id,
    case
        when c.status = 'approved' and c.scheduled_at is not null then 'scheduled'
        when c.status <> 'running' then c.status
        when exists (
            select
            from app.messages as m
            where m.tenant_id = c.tenant_id
                and m.campaign_id = c.campaign_id
                and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
                and m.state in ('queued', 'sending', 'in_doubt', 'held')
        ) then 'running'
        when exists (
            select
            from app.messages as m
            where m.tenant_id = c.tenant_id
                and m.campaign_id = c.campaign_id
                and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
                and m.state in ('failed', 'expired')
        ) then 'finished_with_failures'
        else 'finished'
    end as state
from app.campaigns as c;
grant select on app.campaign_states
    to carteiro_app, carteiro_worker, carteiro_data, carteiro_operator;

-- Which switch of the operator holds a campaign back, null when none: the API shows its scope and
-- reads nothing else of ops. A caller bound to a tenant learns of that tenant only.
create function app.switch_in_force(
    wanted_tenant_id uuid, wanted_campaign_id uuid, wanted_phone_number_id text
) returns text
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select s.scope
    from ops.switches as s
    where s.lifted_at is null
        and s.expires_at > now()
        and wanted_tenant_id = coalesce(app.current_tenant_id(), wanted_tenant_id)
        and (
            s.scope = 'everything'
            or (s.scope = 'tenant' and s.tenant_id = wanted_tenant_id)
            or (
                s.scope = 'campaign' and s.tenant_id = wanted_tenant_id
                and s.subject = wanted_campaign_id::text
            )
            or (
                s.scope = 'number' and s.tenant_id = wanted_tenant_id
                and s.subject = wanted_phone_number_id
            )
        )
    order by s.set_at
    limit 1
$$;
revoke execute on function app.switch_in_force(uuid, uuid, text) from public;
grant execute on function app.switch_in_force(uuid, uuid, text)
    to carteiro_app, carteiro_worker, carteiro_operator;
