-- Webhooks to tenants: where they go, what is told, what waits, what became of it.
-- Whatever happens to a tenant reaches app.emit_tenant_event (triggers below) or, for messages,
-- raw.message_events, which the notifier reads below the horizon of open transactions.

create table app.webhook_endpoints (
    tenant_id uuid not null references app.tenants,
    endpoint_id uuid not null,
    url text not null,
    description text,
    -- Exact types of core/domain/tenant_events.py, or {*}.
    event_types text[] not null check (cardinality(event_types) between 1 and 64),
    enabled boolean not null default true,
    disabled_reason text check (disabled_reason in ('by_owner', 'gone', 'failing')),
    disabled_at timestamptz,
    -- Events from then on are told; what happened while it was off is not.
    listens_from timestamptz not null default now(),
    -- The first failure since the last success.
    failing_since timestamptz,
    failures_in_row integer not null default 0,
    last_success_at timestamptz,
    -- After 429 or 503 with Retry-After the whole endpoint rests.
    rests_until timestamptz,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Its row goes when nothing of it waits any more.
    deleted_at timestamptz,
    primary key (tenant_id, endpoint_id),
    check (enabled = (disabled_reason is null))
);
select ops.protect_tenant_table('app.webhook_endpoints');
grant select, insert, update on app.webhook_endpoints to carteiro_app;
grant update, delete on app.webhook_endpoints to carteiro_worker;

-- The newest has no end; the ones before it sign as well until theirs.
create table app.webhook_secrets (
    tenant_id uuid not null,
    endpoint_id uuid not null,
    secret_id uuid not null,
    secret_encrypted bytea not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    primary key (tenant_id, endpoint_id, secret_id),
    foreign key (tenant_id, endpoint_id) references app.webhook_endpoints on delete cascade
);
select ops.protect_tenant_table('app.webhook_secrets');
grant select (tenant_id, endpoint_id, secret_id, created_at, expires_at), insert, delete
    on app.webhook_secrets to carteiro_app;
grant update (expires_at) on app.webhook_secrets to carteiro_app;

-- What was told to anybody. No personal data: ids, states, codes. Its id is the webhook's id.
create table app.tenant_events (
    tenant_id uuid not null,
    event_id uuid not null,
    event_type text not null,
    occurred_at timestamptz not null,
    data jsonb not null,
    primary key (tenant_id, event_id)
) partition by range (event_id);

-- One event to one endpoint.
create table app.webhook_deliveries (
    tenant_id uuid not null,
    endpoint_id uuid not null,
    event_id uuid not null,
    event_type text not null,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    attempts smallint not null default 0,
    -- How the last attempt failed, or why there will be no other.
    failure text,
    http_status smallint,
    finished_at timestamptz,
    primary key (tenant_id, endpoint_id, event_id)
) partition by range (event_id);

create table app.webhook_attempts (
    tenant_id uuid not null,
    endpoint_id uuid not null,
    event_id uuid not null,
    attempt_no smallint not null,
    started_at timestamptz not null,
    duration_ms integer not null,
    http_status smallint,
    failure text,
    -- The first KiB of the answer.
    answer text,
    primary key (tenant_id, endpoint_id, event_id, attempt_no)
) partition by range (event_id);

-- What waits: small and hot. A claim moves due_at past the lease and raises the fence.
create table app.webhook_queue (
    tenant_id uuid not null,
    endpoint_id uuid not null,
    event_id uuid not null,
    due_at timestamptz not null,
    -- Failures since it was queued: a replay begins the schedule anew.
    failures smallint not null default 0,
    give_up_at timestamptz not null,
    fence integer not null default 0,
    primary key (tenant_id, endpoint_id, event_id)
) with (fillfactor = 80);
create index webhook_queue_due on app.webhook_queue (tenant_id, endpoint_id, due_at, event_id);

select ops.protect_tenant_table('app.tenant_events');
select ops.protect_tenant_table('app.webhook_deliveries');
select ops.protect_tenant_table('app.webhook_attempts');
select ops.protect_tenant_table('app.webhook_queue');
grant select on
    app.webhook_endpoints, app.tenant_events, app.webhook_deliveries, app.webhook_attempts,
    app.webhook_queue
    to carteiro_app;
-- Whoever changes what is told about writes the event with the change.
grant insert on app.tenant_events, app.webhook_deliveries, app.webhook_queue
    to carteiro_app, carteiro_worker, carteiro_data, carteiro_operator;
grant update (state, failure, finished_at) on app.webhook_deliveries to carteiro_app;
grant update on app.webhook_deliveries, app.webhook_queue to carteiro_worker;
grant delete on app.webhook_queue to carteiro_worker;
grant insert on app.webhook_attempts to carteiro_worker;

-- ---------------------------------------------------------------------------------------------
-- Partitions by day on the event's id; old ones are dropped, not deleted from
-- ---------------------------------------------------------------------------------------------

create table app.tenant_events_default partition of app.tenant_events default;
create table app.webhook_deliveries_default partition of app.webhook_deliveries default;
create table app.webhook_attempts_default partition of app.webhook_attempts default;

-- Creates the days from yesterday to `days_ahead`, drops those over `keep_days` old; returns how
-- many were created.
create function ops.keep_webhook_partitions(
    as_of timestamptz, days_ahead integer, keep_days integer
) returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    today date := (as_of at time zone 'UTC')::date;
    parent text;
    day date;
    name text;
    old record;
    created integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('carteiro.keep_webhook_partitions'));
    foreach parent in array array['tenant_events', 'webhook_deliveries', 'webhook_attempts'] loop
        for day in
            select d::date
            from generate_series(today - 1, today + days_ahead, interval '1 day') as d
        loop
            name := parent || '_' || to_char(day, 'YYYYMMDD');
            continue when to_regclass('app.' || name) is not null;
            begin
                execute format(
                    'create table app.%I (like app.%I including defaults including constraints)',
                    name, parent);
                execute format(
                    'alter table app.%I attach partition app.%I for values from (%L) to (%L)',
                    parent, name,
                    app.uuid7_floor(day::timestamp at time zone 'UTC'),
                    app.uuid7_floor((day + 1)::timestamp at time zone 'UTC'));
                created := created + 1;
            exception when check_violation then
                raise warning 'partition % must wait: rows of it are in the default', name;
            end;
        end loop;
        for old in
            select c.relname
            from pg_inherits as i
            inner join pg_class as c on i.inhrelid = c.oid
            where i.inhparent = to_regclass('app.' || parent)
                and c.relname ~ ('^' || parent || '_[0-9]{8}$')
                and to_date(right(c.relname, 8), 'YYYYMMDD') < today - keep_days
        loop
            execute format('drop table app.%I', old.relname);
        end loop;
    end loop;
    return created;
end
$$;
revoke execute on function ops.keep_webhook_partitions(timestamptz, integer, integer) from public;
grant execute on function ops.keep_webhook_partitions(timestamptz, integer, integer)
    to carteiro_worker, carteiro_operator;
select ops.keep_webhook_partitions(now(), 14, 16);

-- ---------------------------------------------------------------------------------------------
-- Events
-- ---------------------------------------------------------------------------------------------

-- Tells a tenant's endpoints something, in the transaction of the change itself. One index probe
-- and no row when nobody listens. Returns to how many it goes.
create function app.emit_tenant_event(
    of_tenant_id uuid, of_type text, event_data jsonb, at timestamptz default clock_timestamp()
) returns integer
    language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    new_event_id uuid;
    listening integer;
begin
    if not exists (
        select 1
        from app.webhook_endpoints as e
        where e.tenant_id = of_tenant_id
            and e.enabled
            and (e.event_types = '{*}' or of_type = any(e.event_types))
    ) then
        return 0;
    end if;
    new_event_id := app.new_uuid7();
    insert into app.tenant_events (tenant_id, event_id, event_type, occurred_at, data)
    values (of_tenant_id, new_event_id, of_type, at, jsonb_strip_nulls(event_data));
    with listeners as (
        select e.endpoint_id
        from app.webhook_endpoints as e
        where e.tenant_id = of_tenant_id
            and e.enabled
            and (e.event_types = '{*}' or of_type = any(e.event_types))
    ),

    deliveries as (
        insert into app.webhook_deliveries (tenant_id, endpoint_id, event_id, event_type)
        select of_tenant_id, l.endpoint_id, new_event_id, of_type
        from listeners as l
    )

    insert into app.webhook_queue (tenant_id, endpoint_id, event_id, due_at, give_up_at)
    select
        of_tenant_id, l.endpoint_id, new_event_id, clock_timestamp(),
        clock_timestamp() + interval '3 days'
    from listeners as l;
    get diagnostics listening = row_count;
    return listening;
end
$$;
revoke execute on function app.emit_tenant_event(uuid, text, jsonb, timestamptz) from public;
grant execute on function app.emit_tenant_event(uuid, text, jsonb, timestamptz)
    to carteiro_app, carteiro_worker, carteiro_data, carteiro_operator;

-- How far raw.message_events was read: everything of transactions below `xid` and, within it, up
-- to `event_id`. `since` bounds the partitions: no event at or above the cursor is older.
create table ops.webhook_cursor (
    one boolean primary key default true check (one),
    xid xid8 not null,
    event_id bigint not null default 0,
    since timestamptz not null,
    -- Transactions from next_xid on began after next_since.
    next_xid xid8 not null,
    next_since timestamptz not null
);
insert into ops.webhook_cursor (xid, since, next_xid, next_since)
select
    pg_snapshot_xmin(pg_current_snapshot()), now() - interval '1 day',
    pg_snapshot_xmax(pg_current_snapshot()), clock_timestamp();
grant select on ops.webhook_cursor to carteiro_worker, carteiro_operator;
grant update on ops.webhook_cursor to carteiro_worker;

-- The notifier reads by transaction. Planned and excluded aren't told: a plan writes none of it.
create index message_events_told on raw.message_events (xid, event_id)
    where event_type not in ('planned', 'excluded');

-- ---------------------------------------------------------------------------------------------
-- What else is told: the tables tell it themselves, so no path of the code can forget to
-- ---------------------------------------------------------------------------------------------

create function app.tell_campaign() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    told text;
begin
    if new.finished_at is not null and old.finished_at is null then
        told := 'campaign.finished';
    elsif old.finished_at is not null and new.finished_at is null then
        told := 'campaign.reopened';
    end if;
    if new.status is distinct from old.status then
        perform app.emit_tenant_event(
            new.tenant_id,
            'campaign.' || case
                when new.status = 'running' and old.status = 'paused' then 'resumed'
                when new.status = 'running' then 'started'
                else new.status
            end,
            jsonb_build_object(
                'campaign_id', new.campaign_id, 'status', new.status,
                'previous_status', old.status, 'reason', new.status_reason));
    end if;
    if told is not null then
        perform app.emit_tenant_event(
            new.tenant_id, told,
            jsonb_build_object('campaign_id', new.campaign_id, 'status', new.status));
    end if;
    return null;
end
$$;
create trigger tell_tenant after update of status, finished_at on app.campaigns
    for each row when (
        old.status is distinct from new.status or old.finished_at is distinct from new.finished_at
    )
    execute function app.tell_campaign();

create function app.tell_template() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if new.status is distinct from old.status
        or new.halted_reason is distinct from old.halted_reason then
        perform app.emit_tenant_event(
            new.tenant_id, 'template.status_changed',
            jsonb_build_object(
                'template_id', new.template_id, 'name', new.name, 'language', new.language,
                'status', new.status, 'previous_status', old.status,
                'halted_reason', new.halted_reason));
    end if;
    if new.quality is distinct from old.quality then
        perform app.emit_tenant_event(
            new.tenant_id, 'template.quality_changed',
            jsonb_build_object(
                'template_id', new.template_id, 'name', new.name, 'language', new.language,
                'quality', new.quality, 'previous_quality', old.quality));
    end if;
    if new.category is distinct from old.category then
        perform app.emit_tenant_event(
            new.tenant_id, 'template.category_changed',
            jsonb_build_object(
                'template_id', new.template_id, 'name', new.name, 'language', new.language,
                'category', new.category, 'previous_category', old.category));
    end if;
    return null;
end
$$;
create trigger tell_tenant after update on app.templates
    for each row when (
        (old.status, old.quality, old.category, old.halted_reason)
        is distinct from (new.status, new.quality, new.category, new.halted_reason)
    )
    execute function app.tell_template();

create function app.tell_number() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if new.quality is distinct from old.quality then
        perform app.emit_tenant_event(
            new.tenant_id, 'number.quality_changed',
            jsonb_build_object(
                'phone_number_id', new.phone_number_id, 'quality', new.quality,
                'previous_quality', old.quality));
    end if;
    if new.throughput_per_second is distinct from old.throughput_per_second then
        perform app.emit_tenant_event(
            new.tenant_id, 'number.throughput_changed',
            jsonb_build_object(
                'phone_number_id', new.phone_number_id,
                'throughput_per_second', new.throughput_per_second));
    end if;
    -- A pause that is renewed is one pause, and one that ends by its time isn't lifted.
    if new.paused_until > now() and coalesce(old.paused_until <= now(), true) then
        perform app.emit_tenant_event(
            new.tenant_id, 'number.paused',
            jsonb_build_object(
                'phone_number_id', new.phone_number_id, 'reason', new.pause_reason,
                'paused_until', case
                    when isfinite(new.paused_until) then to_jsonb(new.paused_until)
                end));
    elsif old.paused_until > now() and coalesce(new.paused_until <= now(), true) then
        perform app.emit_tenant_event(
            new.tenant_id, 'number.resumed',
            jsonb_build_object('phone_number_id', new.phone_number_id));
    end if;
    return null;
end
$$;
create trigger tell_tenant after update on app.phone_numbers
    for each row when (
        (old.quality, old.throughput_per_second, old.paused_until)
        is distinct from (new.quality, new.throughput_per_second, new.paused_until)
    )
    execute function app.tell_number();

create function app.tell_account() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.emit_tenant_event(
        new.tenant_id,
        case when new.blocked_reason is null then 'account.unblocked' else 'account.blocked' end,
        jsonb_build_object('waba_id', new.waba_id, 'reason', new.blocked_reason));
    return null;
end
$$;
create trigger tell_tenant after update of blocked_reason on app.whatsapp_accounts
    for each row when ((old.blocked_reason is null) <> (new.blocked_reason is null))
    execute function app.tell_account();

create function app.tell_import() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.emit_tenant_event(
        new.tenant_id, 'import.' || new.status,
        jsonb_build_object(
            'import_id', new.import_id, 'list_id', new.list_id, 'rows_read', new.rows_read,
            'rows_created', new.rows_created, 'rows_updated', new.rows_updated,
            'rows_refused', new.rows_refused));
    return null;
end
$$;
create trigger tell_tenant after update of status on app.imports
    for each row when (old.status is distinct from new.status)
    execute function app.tell_import();

-- Consents come by the thousand: one look for each statement, and rows only for who listens.
create function app.tell_consents() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.emit_tenant_event(
        n.tenant_id, 'consent.changed',
        jsonb_build_object(
            'consent_id', n.consent_id, 'contact_id', n.contact_id, 'purpose', n.purpose,
            'action', n.action, 'channel', n.channel),
        n.occurred_at)
    from new_rows as n
    where n.tenant_id in (
        select e.tenant_id
        from app.webhook_endpoints as e
        where e.enabled and (e.event_types = '{*}' or 'consent.changed' = any(e.event_types))
    );
    return null;
end
$$;
create trigger tell_tenant after insert on app.consents
    referencing new table as new_rows
    for each statement execute function app.tell_consents();

-- Thin like everything told: what the person wrote is read by its id.
create function app.tell_inbound() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.emit_tenant_event(
        n.tenant_id, 'message.inbound',
        jsonb_build_object(
            'inbound_id', n.inbound_id, 'contact_id', n.contact_id, 'message_type', n.type,
            'phone_number_id', n.phone_number_id, 'reply_to_message_id', n.reply_to_message_id),
        n.occurred_at)
    from new_rows as n
    where n.tenant_id in (
        select e.tenant_id
        from app.webhook_endpoints as e
        where e.enabled and (e.event_types = '{*}' or 'message.inbound' = any(e.event_types))
    );
    return null;
end
$$;
create trigger tell_tenant after insert on app.inbound_messages
    referencing new table as new_rows
    for each statement execute function app.tell_inbound();
