-- has_listeners --
-- Whether anybody listens to messages at all; without, their events aren't even looked at.
-- cross-tenant: one reader serves every tenant
select exists (
    select 1
    from app.webhook_endpoints as l
    cross join lateral unnest(l.event_types) as wanted (event_type)
    where l.enabled
        and (wanted.event_type = '*' or wanted.event_type like %(pattern)s)
) as has_listeners

-- lock_cursor --
-- How far message events were read; one notifier at a time reads them, the others go on.
-- cross-tenant: one reader serves every tenant
select
    c.xid::text as xid,
    c.event_id,
    c.since
from ops.webhook_cursor as c
for update skip locked

-- get_horizon --
-- Below `horizon` every transaction is over; a cursor above it is of another cluster's counter.
-- cross-tenant: one reader serves every tenant
select
    pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
    c.xid > pg_snapshot_xmin(pg_current_snapshot()) as is_foreign
from ops.webhook_cursor as c

-- move_cursor --
-- Moves on; `since` follows once every transaction that began before next_since is over.
-- cross-tenant: one reader serves every tenant
update ops.webhook_cursor as c
set
    xid = %(xid)s::xid8,
    event_id = %(event_id)s,
    since = case
        when %(is_foreign)s then clock_timestamp() - interval '1 day'
        when %(xid)s::xid8 >= c.next_xid then c.next_since
        else c.since
    end,
    next_xid = case
        when %(is_foreign)s or %(xid)s::xid8 >= c.next_xid
            then pg_snapshot_xmax(pg_current_snapshot())
        else c.next_xid
    end,
    next_since = case
        when %(is_foreign)s or %(xid)s::xid8 >= c.next_xid then clock_timestamp()
        else c.next_since
    end

-- tell_message_events --
-- Turns message events of finished transactions into events and deliveries, for who listens.
-- cross-tenant: one reader serves every tenant
with listeners as materialized (
    select l.tenant_id, l.endpoint_id, l.event_types, l.listens_from
    from app.webhook_endpoints as l
    where l.enabled
        and exists (
            select 1
            from unnest(l.event_types) as wanted (event_type)
            where wanted.event_type = '*' or wanted.event_type like %(pattern)s
        )
),

found as materialized (
    select
        e.xid,
        e.event_id as position,
        app.new_uuid7(e.ingested_at) as event_id,
        'message.' || e.event_type as event_type,
        e.tenant_id,
        e.message_id,
        e.campaign_id,
        e.phone_number_id,
        e.category,
        e.error_code,
        e.reason,
        e.occurred_at,
        e.ingested_at
    from raw.message_events as e
    where e.event_type not in ('planned', 'excluded')
        and (e.xid, e.event_id) > (%(after_xid)s::xid8, %(after_event_id)s::bigint)
        and e.xid < %(horizon)s::xid8
        -- For the partitions only; a day, should the machine's clock have been set.
        and e.ingested_at >= %(since)s::timestamptz - interval '1 day'
        and exists (
            select 1
            from listeners as l
            where l.tenant_id = e.tenant_id
                and l.listens_from <= e.ingested_at
                and (l.event_types = '{*}' or 'message.' || e.event_type = any(l.event_types))
        )
    order by e.xid, e.event_id
    limit %(limit)s
),

events as (
    insert into app.tenant_events (tenant_id, event_id, event_type, occurred_at, data)
    select
        f.tenant_id,
        f.event_id,
        f.event_type,
        f.occurred_at,
        jsonb_strip_nulls(jsonb_build_object(
            'message_id', f.message_id, 'campaign_id', f.campaign_id, 'contact_id', m.contact_id,
            'phone_number_id', f.phone_number_id, 'category', f.category,
            'state', case
                when f.event_type = 'message.redriven' then 'queued'
                else substr(f.event_type, 9)
            end,
            'error_code', f.error_code, 'reason', f.reason,
            'request_id', coalesce(m.request_id, c.request_id)
        ))
    from found as f
    left join app.messages as m
        on f.tenant_id = m.tenant_id
        and f.message_id = m.message_id
    left join app.campaigns as c
        on f.tenant_id = c.tenant_id
        and f.campaign_id = c.campaign_id
),

deliveries as (
    insert into app.webhook_deliveries (tenant_id, endpoint_id, event_id, event_type)
    select f.tenant_id, l.endpoint_id, f.event_id, f.event_type
    from found as f
    inner join listeners as l
        on f.tenant_id = l.tenant_id
        and l.listens_from <= f.ingested_at
    where l.event_types = '{*}' or f.event_type = any(l.event_types)
    returning tenant_id, endpoint_id, event_id
),

queued as (
    insert into app.webhook_queue (tenant_id, endpoint_id, event_id, due_at, give_up_at)
    select d.tenant_id, d.endpoint_id, d.event_id, f.ingested_at, now() + interval '3 days'
    from deliveries as d
    inner join found as f on d.event_id = f.event_id
)

select
    count(*) as events,
    (array_agg(f.xid::text order by f.xid desc, f.position desc))[1] as last_xid,
    (array_agg(f.position order by f.xid desc, f.position desc))[1] as last_event_id
from found as f

-- list_due_endpoints --
-- Endpoints with something due, how much of it (up to a bound) and since when.
-- cross-tenant: every notifier serves every tenant
select
    e.tenant_id,
    e.endpoint_id,
    e.failures_in_row >= 3 as is_ailing,
    due.waiting,
    due.oldest_due_at
from app.webhook_endpoints as e
inner join app.tenants as t on e.tenant_id = t.tenant_id
cross join lateral (
    select
        count(*) as waiting,
        min(q.due_at) as oldest_due_at
    from (
        select first.due_at
        from app.webhook_queue as first
        where first.tenant_id = e.tenant_id
            and first.endpoint_id = e.endpoint_id
            and first.due_at <= now()
            -- The words of the index: PostgreSQL takes it here, and nowhere else.
            and first.due_at < 'infinity'
        order by first.due_at, first.event_id
        limit %(most)s
    ) as q
) as due
where e.enabled
    and t.status = 'active'
    and (e.rests_until is null or e.rests_until <= now())
    and due.waiting > 0

-- claim_deliveries --
-- Takes what is due, each endpoint up to its share: a lease, and a fence that outdates older ones.
with wanted as (
    select *
    from unnest(
        %(tenant_ids)s::uuid[], %(endpoint_ids)s::uuid[], %(shares)s::integer[]
    ) as w (tenant_id, endpoint_id, share)
),

picked as materialized (
    select due.tenant_id, due.endpoint_id, due.event_id, due.due_at
    from wanted as w
    cross join lateral (
        select q.tenant_id, q.endpoint_id, q.event_id, q.due_at
        from app.webhook_queue as q
        where q.tenant_id = w.tenant_id
            and q.endpoint_id = w.endpoint_id
            and q.due_at <= now()
            and q.due_at < 'infinity'
        order by q.due_at, q.event_id
        limit w.share
        for update skip locked
    ) as due
),

claimed as (
    update app.webhook_queue as q
    set due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s), fence = q.fence + 1
    from picked as p
    where q.tenant_id = p.tenant_id
        and q.endpoint_id = p.endpoint_id
        and q.event_id = p.event_id
    returning q.tenant_id, q.endpoint_id, q.event_id, q.fence, p.due_at, q.failures, q.give_up_at
)

select
    c.tenant_id,
    c.endpoint_id,
    c.event_id,
    c.fence,
    c.due_at,
    c.failures,
    c.give_up_at,
    e.event_type,
    e.occurred_at,
    e.data
from claimed as c
inner join app.tenant_events as e
    on c.tenant_id = e.tenant_id
    and c.event_id = e.event_id
order by c.event_id

-- return_deliveries --
-- Gives back claims that were not tried, each as long due as before.
update app.webhook_queue as q
set due_at = r.due_at
from unnest(
    %(tenant_ids)s::uuid[], %(endpoint_ids)s::uuid[], %(event_ids)s::uuid[],
    %(fences)s::integer[], %(due_ats)s::timestamptz[]
) as r (tenant_id, endpoint_id, event_id, fence, due_at)
where q.tenant_id = r.tenant_id
    and q.endpoint_id = r.endpoint_id
    and q.event_id = r.event_id
    and q.fence = r.fence

-- list_targets --
-- Where endpoints are and what signs for them now, the newest secret first.
select
    e.tenant_id,
    e.endpoint_id,
    e.url,
    array(
        select s.secret_encrypted
        from app.webhook_secrets as s
        where s.tenant_id = e.tenant_id
            and s.endpoint_id = e.endpoint_id
            and (s.expires_at is null or s.expires_at > now())
        order by s.created_at desc
    ) as secrets
from app.webhook_endpoints as e
inner join unnest(%(tenant_ids)s::uuid[], %(endpoint_ids)s::uuid[]) as w (tenant_id, endpoint_id)
    on e.tenant_id = w.tenant_id
    and e.endpoint_id = w.endpoint_id

-- record_attempts --
-- What became of attempts whose lease still holds: done, due again, or given up.
with outcomes as (
    select *
    from unnest(
        %(tenant_ids)s::uuid[], %(endpoint_ids)s::uuid[], %(event_ids)s::uuid[],
        %(fences)s::integer[], %(states)s::text[], %(failures)s::text[],
        %(http_statuses)s::smallint[], %(next_due_ats)s::timestamptz[],
        %(started_ats)s::timestamptz[], %(durations_ms)s::integer[], %(answers)s::text[]
    ) as o (
        tenant_id, endpoint_id, event_id, fence, state, failure, http_status, next_due_at,
        started_at, duration_ms, answer
    )
),

held as materialized (
    select o.*, q.failures as failed_before
    from outcomes as o
    inner join app.webhook_queue as q
        on o.tenant_id = q.tenant_id
        and o.endpoint_id = q.endpoint_id
        and o.event_id = q.event_id
        and o.fence = q.fence
    order by q.tenant_id, q.endpoint_id, q.event_id
    for update of q
),

finished as (
    delete from app.webhook_queue as q
    using held as h
    where q.tenant_id = h.tenant_id
        and q.endpoint_id = h.endpoint_id
        and q.event_id = h.event_id
        and h.state <> 'pending'
),

later as (
    update app.webhook_queue as q
    set due_at = h.next_due_at, failures = q.failures + 1
    from held as h
    where q.tenant_id = h.tenant_id
        and q.endpoint_id = h.endpoint_id
        and q.event_id = h.event_id
        and h.state = 'pending'
),

told as (
    update app.webhook_deliveries as d
    set
        attempts = d.attempts + 1,
        state = h.state,
        failure = h.failure,
        http_status = h.http_status,
        finished_at = case when h.state <> 'pending' then now() end
    from held as h
    where d.tenant_id = h.tenant_id
        and d.endpoint_id = h.endpoint_id
        and d.event_id = h.event_id
        and d.event_id >= %(lowest)s
        and d.event_id <= %(highest)s
    returning
        d.tenant_id, d.endpoint_id, d.event_id, d.attempts, h.started_at, h.duration_ms,
        d.http_status, d.failure, h.answer
),

attempted as (
    insert into app.webhook_attempts (
        tenant_id, endpoint_id, event_id, attempt_no, started_at, duration_ms, http_status,
        failure, answer
    )
    select
        t.tenant_id, t.endpoint_id, t.event_id, t.attempts, t.started_at, t.duration_ms,
        t.http_status, t.failure, t.answer
    from told as t
)

select h.tenant_id, h.endpoint_id, h.event_id, h.failed_before
from held as h

-- mark_endpoints --
-- The health of endpoints after some attempts; switches off what is gone or failed for too long.
with outcomes as (
    select *
    from unnest(
        %(tenant_ids)s::uuid[], %(endpoint_ids)s::uuid[], %(successes)s::integer[],
        %(failures)s::integer[], %(gones)s::boolean[], %(rests_untils)s::timestamptz[]
    ) as o (tenant_id, endpoint_id, successes, failures, is_gone, rests_until)
),

locked as materialized (
    select
        o.*,
        e.enabled as was_enabled,
        e.failures_in_row > 0 as was_failing,
        o.is_gone or (
            o.successes = 0
            and coalesce(
                e.failing_since < now() - make_interval(secs => %(give_up_seconds)s), false
            )
        ) as ends
    from outcomes as o
    inner join app.webhook_endpoints as e
        on o.tenant_id = e.tenant_id
        and o.endpoint_id = e.endpoint_id
    -- A healthy endpoint's row is written every ten seconds, not with every batch.
    where o.failures > 0
        or e.failures_in_row > 0
        or e.last_success_at is null
        or e.last_success_at < now() - interval '10 seconds'
    order by e.tenant_id, e.endpoint_id
    for update of e
)

update app.webhook_endpoints as e
set
    failing_since = case when l.successes = 0 then coalesce(e.failing_since, now()) end,
    failures_in_row = case when l.successes = 0 then e.failures_in_row + l.failures else 0 end,
    last_success_at = case when l.successes > 0 then now() else e.last_success_at end,
    rests_until = greatest(e.rests_until, l.rests_until),
    enabled = e.enabled and not l.ends,
    disabled_reason = case
        when not e.enabled then e.disabled_reason
        when l.is_gone then 'gone'
        when l.ends then 'failing'
    end,
    disabled_at = case when e.enabled and l.ends then now() else e.disabled_at end
from locked as l
where e.tenant_id = l.tenant_id
    and e.endpoint_id = l.endpoint_id
returning
    e.tenant_id,
    e.endpoint_id,
    l.was_enabled and l.ends as has_ended,
    l.was_failing and l.successes > 0 as has_recovered,
    e.disabled_reason,
    e.failures_in_row

-- close_alerts --
-- An endpoint that answers again needs nobody's attention.
update app.alerts
set closed_at = now()
where tenant_id = %(tenant_id)s
    and subject = %(subject)s
    and kind in ('webhook_failing', 'webhook_disabled')
    and closed_at is null

-- drop_waiting --
-- Ends what waits for endpoints that are switched off; a replay brings it back.
-- cross-tenant: every notifier serves every tenant
with dropped as materialized (
    select q.tenant_id, q.endpoint_id, q.event_id
    from app.webhook_endpoints as e
    cross join lateral (
        select w.tenant_id, w.endpoint_id, w.event_id
        from app.webhook_queue as w
        where w.tenant_id = e.tenant_id and w.endpoint_id = e.endpoint_id
        limit %(limit)s
        for update skip locked
    ) as q
    where not e.enabled
),

gone as (
    delete from app.webhook_queue as q
    using dropped as d
    where q.tenant_id = d.tenant_id
        and q.endpoint_id = d.endpoint_id
        and q.event_id = d.event_id
)

update app.webhook_deliveries as d
set state = 'failed', failure = 'endpoint_disabled', finished_at = now()
from dropped as q
where d.tenant_id = q.tenant_id
    and d.endpoint_id = q.endpoint_id
    and d.event_id = q.event_id

-- drop_deleted --
-- Removes endpoints that their owner deleted, once nothing of them waits.
-- cross-tenant: every notifier serves every tenant
delete from app.webhook_endpoints as e
where e.deleted_at is not null
    and not exists (
        select 1
        from app.webhook_queue as q
        where q.tenant_id = e.tenant_id and q.endpoint_id = e.endpoint_id
    )

-- drop_overdue --
-- Ends what nobody could try before its time was over: a suspended tenant, a stopped notifier.
-- cross-tenant: every notifier serves every tenant
with overdue as materialized (
    select q.tenant_id, q.endpoint_id, q.event_id
    from app.webhook_queue as q
    where q.give_up_at < now() - interval '1 hour'
        and q.due_at < now()
    limit %(limit)s
    for update skip locked
),

gone as (
    delete from app.webhook_queue as q
    using overdue as o
    where q.tenant_id = o.tenant_id
        and q.endpoint_id = o.endpoint_id
        and q.event_id = o.event_id
)

update app.webhook_deliveries as d
set state = 'failed', failure = 'gave_up', finished_at = now()
from overdue as o
where d.tenant_id = o.tenant_id
    and d.endpoint_id = o.endpoint_id
    and d.event_id = o.event_id

-- keep_partitions --
-- Creates the partitions of the coming days and drops those past their time.
select ops.keep_webhook_partitions(now(), %(days_ahead)s, %(keep_days)s)
