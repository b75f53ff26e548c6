-- Rows of messages that are cheap to move (docs/decisions/0012): from accepted to read no index
-- entry is written. An update is HOT only when it changes no column that any index names, in its
-- keys or in its condition; `state` changes with every status, so no index names it any more.

-- Who has something left to do about a message: the pacer (due), a worker (leased), the settler
-- (doubt, held), a person (unreached: it may be tried again); null once only Meta speaks.
create function app.message_work(state text) returns text
    language sql immutable parallel safe
    return case state
        when 'queued' then 'due'
        when 'sending' then 'leased'
        when 'in_doubt' then 'doubt'
        when 'held' then 'held'
        when 'failed' then 'unreached'
        when 'expired' then 'unreached'
    end;
revoke execute on function app.message_work(text) from public;
grant execute on function app.message_work(text)
    to carteiro_app, carteiro_worker, carteiro_data, carteiro_operator, carteiro_readonly;

-- Generated: no statement writes it, so it cannot disagree with the state; a release that does not
-- know it writes it all the same.
alter table app.messages
    add column work text generated always as (app.message_work(state)) stored;

-- ---------------------------------------------------------------------------------------------
-- Indexes. Each replaces one that names `state`; old and new queries both find their rows, the old
-- ones without the help of an index for the minutes of a rollout.
-- ---------------------------------------------------------------------------------------------

drop index app.messages_due_by_template;
create index messages_due_by_template on app.messages (
    tenant_id, campaign_id, wave, template_id,
    (coalesce(not_before, '-infinity'::timestamptz)), message_id
) where work = 'due' and campaign_id is not null;

drop index app.messages_due_single;
create index messages_due_single on app.messages (
    tenant_id, phone_number_id, (coalesce(not_before, '-infinity'::timestamptz)), message_id
) where work = 'due' and campaign_id is null;

drop index app.messages_leased;
create index messages_leased on app.messages (lease_until) where work = 'leased';

drop index app.messages_in_doubt;
create index messages_in_doubt on app.messages (in_doubt_since) where work = 'doubt';

create index messages_held on app.messages (category, accepted_at) where work = 'held';

-- What of a campaign is not over although nobody sends it: few rows, and none of them on its way
-- from accepted to read.
create index messages_unsettled on app.messages (tenant_id, campaign_id, work)
    where work in ('doubt', 'held', 'unreached');

drop index app.messages_by_campaign;
create index messages_by_campaign on app.messages (tenant_id, campaign_id);

-- By when Meta took it, delivered or not: the settler remembers how far it has looked.
drop index app.messages_awaiting;
create index messages_awaiting on app.messages (category, accepted_at)
    where accepted_at is not null;

-- Up to when everything that Meta took has been looked at for one time to live.
create table ops.expiry_marks (
    category text not null,
    ttl_seconds integer not null,
    swept_to timestamptz not null default '-infinity',
    primary key (category, ttl_seconds)
);
grant select, insert, update on ops.expiry_marks to carteiro_worker;
grant select on ops.expiry_marks to carteiro_data, carteiro_operator;

-- ---------------------------------------------------------------------------------------------
-- What is open
-- ---------------------------------------------------------------------------------------------

-- Messages about which somebody has something left to do, each kind by its own index, the rarest
-- question last: what is leased is found by its time only.
create view app.open_messages with (security_invoker = true) as
select m.tenant_id, m.campaign_id, m.message_id, m.state, m.in_doubt_since
from app.messages as m
where m.work = 'due'
union all
select m.tenant_id, m.campaign_id, m.message_id, m.state, m.in_doubt_since
from app.messages as m
where m.work in ('doubt', 'held')
union all
select m.tenant_id, m.campaign_id, m.message_id, m.state, m.in_doubt_since
from app.messages as m
where m.work = 'leased';
grant select on app.open_messages
    to carteiro_app, carteiro_worker, carteiro_data, carteiro_operator;

-- As 0005 has it, by the new indexes. What is finished has no row that is due or leased: whoever
-- puts one back opens the campaign in the same transaction.
create or replace view app.campaign_states with (security_invoker = true) as
select
    c.tenant_id,
    c.campaign_id,
    case
        when c.status = 'approved' and c.scheduled_at is not null then 'scheduled'
        when c.status <> 'running' then c.status
        when c.finished_at is null and exists (
            select
            from app.open_messages as m
            where m.tenant_id = c.tenant_id
                and m.campaign_id = c.campaign_id
                and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
        ) then 'running'
        when c.finished_at is not null and exists (
            select
            from app.messages as m
            where m.tenant_id = c.tenant_id
                and m.campaign_id = c.campaign_id
                and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
                and m.work in ('doubt', 'held')
        ) then 'running'
        when exists (
            select
            from app.messages as m
            where m.tenant_id = c.tenant_id
                and m.campaign_id = c.campaign_id
                and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
                and m.work = 'unreached'
        ) then 'finished_with_failures'
        else 'finished'
    end as state
from app.campaigns as c;

-- ---------------------------------------------------------------------------------------------
-- Partitions
-- ---------------------------------------------------------------------------------------------

-- As 0001 has it, and a partition takes after its parent in all that a query cannot see: generated
-- columns, and the room that its pages keep for a row's next version. Storage parameters are not
-- inherited, so they stand in one place.
create function ops.tune_partition(partition regclass) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('alter table %s set (fillfactor = 50)', partition);
end
$$;
revoke execute on function ops.tune_partition(regclass) from public;

select ops.tune_partition(i.inhrelid::regclass)
from pg_inherits as i
where i.inhparent = 'app.messages'::regclass;

create or replace function ops.ensure_partitions(as_of timestamptz, days_ahead integer)
    returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    day date := (as_of at time zone 'UTC')::date - 7;
    week date := date_trunc('week', (as_of at time zone 'UTC') - interval '7 days')::date;
    last_day date := (as_of at time zone 'UTC')::date + days_ahead;
    created integer := 0;
    name text;
    parent text;
begin
    -- Two processes may call it together; the second finds nothing to do.
    perform pg_advisory_xact_lock(hashtext('carteiro.ensure_partitions'));
    while week <= last_day loop
        foreach parent in array array['messages', 'message_attempts'] loop
            name := parent || '_' || to_char(week, 'IYYY"w"IW');
            if to_regclass('app.' || name) is null then
                -- ATTACH lets writers go on; CREATE ... PARTITION OF would lock the parent.
                begin
                    execute format(
                        'create table app.%I (like app.%I including defaults including constraints'
                        ' including generated)', name, parent
                    );
                    if parent = 'messages' then
                        perform ops.tune_partition(to_regclass('app.' || name));
                    end if;
                    execute format(
                        'alter table app.%I attach partition app.%I for values from (%L) to (%L)',
                        parent, name,
                        app.uuid7_floor(week::timestamp at time zone 'UTC'),
                        app.uuid7_floor((week + 7)::timestamp at time zone 'UTC')
                    );
                    created := created + 1;
                exception when check_violation then
                    -- Its rows lie in the DEFAULT partition: an alarm, but not for the others.
                    raise warning 'partition % must wait: rows of it are in the default', name;
                end;
            end if;
        end loop;
        week := week + 7;
    end loop;
    while day <= last_day loop
        foreach parent in array array['message_events', 'webhook_bodies'] loop
            name := parent || '_' || to_char(day, 'YYYYMMDD');
            if to_regclass('raw.' || name) is null then
                begin
                    execute format(
                        'create table raw.%I '
                        '(like raw.%I including defaults including constraints)', name, parent
                    );
                    execute format(
                        'alter table raw.%I attach partition raw.%I for values from (%L) to (%L)',
                        parent, name,
                        day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC'
                    );
                    created := created + 1;
                exception when check_violation then
                    raise warning 'partition % must wait: rows of it are in the default', name;
                end;
            end if;
        end loop;
        day := day + 1;
    end loop;
    return created;
end
$$;
