-- Experiments, canaries and re-drives.

alter table raw.message_events drop constraint message_events_event_type_check;
alter table raw.message_events add constraint message_events_event_type_check check (
    event_type in (
        'planned', 'excluded', 'accepted', 'held', 'sent', 'delivered', 'read', 'failed',
        'in_doubt', 'cancelled', 'expired', 'redriven'
    )
);

-- One request to try again what failed; the settler carries it out in batches.
create table app.redrives (
    tenant_id uuid not null references app.tenants,
    redrive_id uuid not null,
    campaign_id uuid not null,
    states text[] not null,
    -- null: any.
    error_codes integer[],
    reasons text[],
    changed_after timestamptz,
    changed_before timestamptz,
    -- Whether messages that may have reached people (in doubt, closed as not sent) are meant too.
    include_unconfirmed boolean not null default false,
    matching integer not null,
    redriven integer not null default 0,
    requested_by text not null,
    requested_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (tenant_id, redrive_id),
    foreign key (tenant_id, campaign_id) references app.campaigns
);
create index redrives_by_campaign on app.redrives (tenant_id, campaign_id);
create index redrives_running on app.redrives (requested_at) where finished_at is null;
select ops.protect_tenant_table('app.redrives');
grant select, insert on app.redrives to carteiro_app;
grant update on app.redrives to carteiro_worker;

-- The one rule of what a re-drive means, for the count before it and for the re-drive itself.
create function app.is_redrivable(
    state text, error_code integer, reason text, changed_at timestamptz,
    states text[], error_codes integer[], reasons text[], changed_after timestamptz,
    changed_before timestamptz, include_unconfirmed boolean
) returns boolean
    language sql immutable parallel safe
    return
        state = any(states)
        and (error_codes is null or coalesce(error_code = any(error_codes), false))
        and (reasons is null or coalesce(reason = any(reasons), false))
        and (changed_after is null or changed_at >= changed_after)
        and (changed_before is null or changed_at < changed_before)
        and (include_unconfirmed or reason is distinct from 'unconfirmed');
revoke execute on function app.is_redrivable(
    text, integer, text, timestamptz, text[], integer[], text[], timestamptz, timestamptz, boolean
) from public;
grant execute on function app.is_redrivable(
    text, integer, text, timestamptz, text[], integer[], text[], timestamptz, timestamptz, boolean
) to carteiro_app, carteiro_worker;

alter table app.campaigns
    -- When the wave that is out now was released; a gate waits from here.
    add column wave_released_at timestamptz;
create index campaigns_with_canary on app.campaigns (tenant_id, campaign_id)
    where canary is not null and status = 'running' and finished_at is null;
