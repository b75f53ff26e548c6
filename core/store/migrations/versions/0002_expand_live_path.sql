-- What the claim must be able to ask, for every slice of the live path. Expand only: nothing that
-- the first release reads changes its meaning.

-- Row-level security for a tenant table, as 0001 gave it to its own.
create function ops.protect_tenant_table(tenant_table regclass) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
    execute format(
        'create policy tenant_isolation on %s to carteiro_app, carteiro_readonly '
        'using (tenant_id = app.current_tenant_id()) '
        'with check (tenant_id = app.current_tenant_id())', tenant_table);
    execute format(
        'create policy platform on %s to carteiro_worker, carteiro_data, carteiro_operator '
        'using (true) with check (true)', tenant_table);
    execute format(
        'grant select on %s to carteiro_worker, carteiro_data, carteiro_operator', tenant_table);
end
$$;
revoke execute on function ops.protect_tenant_table(regclass) from public;

-- ---------------------------------------------------------------------------------------------
-- Messages and campaigns
-- ---------------------------------------------------------------------------------------------

alter table app.messages
    -- The person's own zone, frozen when planned; quiet hours and local delivery are in it.
    add column recipient_timezone text,
    -- Which canary wave it belongs to: sent once the campaign has released that wave.
    add column wave smallint not null default 0,
    -- Which arm of an experiment it is.
    add column variant text,
    -- Answers "not now" since the last acceptance: 4^n s after 131056. Never an attempt.
    add column throttle_count smallint not null default 0;

alter table app.messages drop constraint messages_exclusion_reason_check;
alter table app.messages add constraint messages_exclusion_reason_check check (
    exclusion_reason in (
        'no_consent', 'opted_out', 'suppressed', 'invalid_number', 'missing_parameter',
        'frequency_cap', 'us_marketing', 'duplicate', 'invalid_parameter', 'holdout',
        'blocked_country', 'needs_phone'
    )
);

alter table app.campaigns
    -- scheduled_at is then read as the tenant's wall clock and applied in each person's zone.
    add column local_delivery boolean not null default false,
    -- {"holdout_percent": "5", "variants": [{"name", "percent", "template_id", "parameters"}]}
    add column experiment jsonb,
    -- {"percents": ["1", "10", "100"], gates...}; null: everybody at once.
    add column canary jsonb,
    -- Messages of later waves are not claimed.
    add column released_wave smallint not null default 0;

-- ---------------------------------------------------------------------------------------------
-- When nothing may be sent
-- ---------------------------------------------------------------------------------------------

-- Local hours in which a person is left in peace. '*' is any country or category; the most exact
-- row wins. starts_at > ends_at spans midnight.
create table app.quiet_hours (
    tenant_id uuid not null references app.tenants,
    country text not null check (country = '*' or country ~ '^[A-Z]{2}$'),
    category text not null
        check (category in ('*', 'marketing', 'utility', 'authentication', 'service')),
    starts_at time not null,
    ends_at time not null,
    updated_at timestamptz not null default now(),
    primary key (tenant_id, country, category),
    check (starts_at <> ends_at)
);
select ops.protect_tenant_table('app.quiet_hours');
grant select, insert, update, delete on app.quiet_hours to carteiro_app;

-- Until when a message must wait for its recipient's quiet hours to end; null: it may go now.
-- 0005 gives it its body; the claim asks it.
create function app.quiet_until(
    wanted_tenant_id uuid, wanted_country text, wanted_category text, zone text, at timestamptz
) returns timestamptz
    language sql stable parallel safe
    return null::timestamptz;
revoke execute on function app.quiet_until(uuid, text, text, text, timestamptz) from public;
grant execute on function app.quiet_until(uuid, text, text, text, timestamptz)
    to carteiro_app, carteiro_worker, carteiro_operator;

-- Switches of the operator: each has a reason, a person and an end. Rows are never deleted.
create table ops.switches (
    switch_id uuid primary key,
    scope text not null check (scope in (
        'everything', 'tenant', 'campaign', 'number', 'webhooks_accept_only', 'api_read_only'
    )),
    tenant_id uuid,
    -- The campaign's or number's id.
    subject text,
    reason text not null,
    set_by text not null,
    set_at timestamptz not null default now(),
    expires_at timestamptz not null,
    lifted_at timestamptz,
    lifted_by text,
    check ((scope in ('tenant', 'campaign', 'number')) = (tenant_id is not null)),
    check ((scope in ('campaign', 'number')) = (subject is not null))
);
create index switches_on on ops.switches (scope, tenant_id, subject) where lifted_at is null;
grant select on ops.switches to carteiro_worker, carteiro_data, carteiro_operator;
grant insert, update on ops.switches to carteiro_operator;

-- ---------------------------------------------------------------------------------------------
-- Windows and limits
-- ---------------------------------------------------------------------------------------------

-- A person's last message or call to a number opens 24 h in which free text may be sent.
create table app.service_windows (
    tenant_id uuid not null references app.tenants,
    phone_number_id text not null,
    contact_id uuid not null,
    opened_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (tenant_id, phone_number_id, contact_id)
);
select ops.protect_tenant_table('app.service_windows');
grant select on app.service_windows to carteiro_app;
grant insert, update, delete on app.service_windows to carteiro_worker;

-- A business portfolio and how many people it may begin to write to in a moving day: 250, 2,000,
-- 10,000, 100,000; null: unlimited. Absent: not known, and not enforced.
create table app.portfolios (
    tenant_id uuid not null references app.tenants,
    portfolio_id text not null,
    people_per_day integer check (people_per_day > 0),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, portfolio_id)
);
select ops.protect_tenant_table('app.portfolios');
grant select, insert, update on app.portfolios to carteiro_app;
grant insert, update on app.portfolios to carteiro_worker, carteiro_operator;

-- Whom a limited portfolio wrote to outside a service window, and when last: the count of a moving
-- day is the number of people, not of messages. Written by the claim, for limited portfolios only.
create table app.portfolio_reach (
    tenant_id uuid not null,
    portfolio_id text not null,
    contact_id uuid not null,
    reached_at timestamptz not null,
    primary key (tenant_id, portfolio_id, contact_id)
);
create index portfolio_reach_by_time
    on app.portfolio_reach (tenant_id, portfolio_id, reached_at);
select ops.protect_tenant_table('app.portfolio_reach');
grant select on app.portfolio_reach to carteiro_app;
grant insert, update, delete on app.portfolio_reach to carteiro_worker;

-- After 131056: this number rests for this person only. `step` is X of Meta's 4^X seconds.
create table app.pair_waits (
    tenant_id uuid not null,
    phone_number_id text not null,
    contact_id uuid not null,
    step smallint not null default 0,
    until timestamptz not null,
    primary key (tenant_id, phone_number_id, contact_id)
);
select ops.protect_tenant_table('app.pair_waits');
grant select on app.pair_waits to carteiro_app;
grant insert, update, delete on app.pair_waits to carteiro_worker;
