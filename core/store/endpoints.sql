-- lock_endpoints --
-- Creations of one tenant one after the other, so that its limit holds; ends with the transaction.
select pg_advisory_xact_lock(hashtextextended('webhook-endpoints/' || %(tenant_id)s::text, 0))

-- lock_endpoint --
-- Holds an endpoint for a change.
select e.endpoint_id
from app.webhook_endpoints as e
where e.tenant_id = %(tenant_id)s and e.endpoint_id = %(endpoint_id)s
for no key update

-- insert_endpoint --
-- An endpoint, unless the tenant has as many as it may.
insert into app.webhook_endpoints (
    tenant_id, endpoint_id, url, description, event_types, created_by
)
select
    %(tenant_id)s, %(endpoint_id)s, %(url)s, %(description)s, %(event_types)s::text[],
    %(created_by)s
where (
    select count(*)
    from app.webhook_endpoints as e
    where e.tenant_id = %(tenant_id)s and e.deleted_at is null
) < %(most)s

-- insert_secret --
-- A further signing secret of an endpoint, the newest from now on.
insert into app.webhook_secrets (
    tenant_id, endpoint_id, secret_id, secret_encrypted, created_at
)
values (
    %(tenant_id)s, %(endpoint_id)s, %(secret_id)s, %(secret_encrypted)s, clock_timestamp()
)

-- expire_secrets --
-- Those of before sign for the overlap, or as long as they were to anyway.
update app.webhook_secrets
set expires_at = least(expires_at, now() + make_interval(secs => %(overlap_seconds)s))
where tenant_id = %(tenant_id)s and endpoint_id = %(endpoint_id)s

-- delete_expired_secrets --
-- Those that sign no more, or all of them.
delete from app.webhook_secrets
where tenant_id = %(tenant_id)s
    and endpoint_id = %(endpoint_id)s
    and (%(all)s::boolean or expires_at <= now())

-- get_endpoint --
-- One endpoint as its owner sees it.
select
    e.endpoint_id,
    e.url,
    e.description,
    e.event_types,
    e.enabled,
    e.disabled_reason,
    e.disabled_at,
    e.failing_since,
    e.failures_in_row,
    e.last_success_at,
    e.rests_until,
    (
        select min(s.expires_at)
        from app.webhook_secrets as s
        where s.tenant_id = e.tenant_id
            and s.endpoint_id = e.endpoint_id
            and s.expires_at > now()
    ) as previous_secret_until,
    e.created_by,
    e.created_at,
    e.updated_at
from app.webhook_endpoints as e
where e.tenant_id = %(tenant_id)s
    and e.endpoint_id = %(endpoint_id)s
    and e.deleted_at is null

-- list_endpoints --
-- The tenant's endpoints, newest first.
select
    e.endpoint_id,
    e.url,
    e.description,
    e.event_types,
    e.enabled,
    e.disabled_reason,
    e.disabled_at,
    e.failing_since,
    e.failures_in_row,
    e.last_success_at,
    e.rests_until,
    (
        select min(s.expires_at)
        from app.webhook_secrets as s
        where s.tenant_id = e.tenant_id
            and s.endpoint_id = e.endpoint_id
            and s.expires_at > now()
    ) as previous_secret_until,
    e.created_by,
    e.created_at,
    e.updated_at
from app.webhook_endpoints as e
where e.tenant_id = %(tenant_id)s
    and e.deleted_at is null
    and (%(after)s::uuid is null or e.endpoint_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or e.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or e.created_at < %(created_to)s)
    and (%(enabled)s::boolean is null or e.enabled = %(enabled)s)
order by e.endpoint_id desc
limit %(limit)s

-- update_endpoint --
-- Changes what is given. Switched on again it listens from now, and its failures are forgiven.
update app.webhook_endpoints as e
set
    url = coalesce(%(url)s, e.url),
    event_types = coalesce(%(event_types)s::text[], e.event_types),
    description = case
        when %(has_description)s::boolean then %(description)s else e.description
    end,
    enabled = coalesce(%(enabled)s::boolean, e.enabled),
    disabled_reason = case
        when %(enabled)s::boolean is true then null
        when %(enabled)s::boolean is false then coalesce(e.disabled_reason, 'by_owner')
        else e.disabled_reason
    end,
    disabled_at = case
        when %(enabled)s::boolean is true then null
        when %(enabled)s::boolean is false then coalesce(e.disabled_at, now())
        else e.disabled_at
    end,
    listens_from = case
        when %(enabled)s::boolean is true and not e.enabled then now() else e.listens_from
    end,
    failing_since = case
        when %(enabled)s::boolean is true or %(url)s::text is not null then null
        else e.failing_since
    end,
    rests_until = case
        when %(enabled)s::boolean is true or %(url)s::text is not null then null
        else e.rests_until
    end,
    updated_at = now()
where e.tenant_id = %(tenant_id)s
    and e.endpoint_id = %(endpoint_id)s
    and e.deleted_at is null

-- delete_endpoint --
-- Nothing more is told to it; the notifier removes the row once nothing of it waits.
update app.webhook_endpoints as e
set
    enabled = false,
    disabled_reason = coalesce(e.disabled_reason, 'by_owner'),
    deleted_at = now()
where e.tenant_id = %(tenant_id)s
    and e.endpoint_id = %(endpoint_id)s
    and e.deleted_at is null

-- emit_test_event --
-- A test event to one endpoint, whatever types it asks for.
with event as (
    insert into app.tenant_events (tenant_id, event_id, event_type, occurred_at, data)
    values (
        %(tenant_id)s, %(event_id)s, 'webhook.test', now(),
        jsonb_strip_nulls(jsonb_build_object(
            'endpoint_id', %(endpoint_id)s::uuid, 'request_id', app.current_request_id()
        ))
    )
),

delivery as (
    insert into app.webhook_deliveries (tenant_id, endpoint_id, event_id, event_type)
    values (%(tenant_id)s, %(endpoint_id)s, %(event_id)s, 'webhook.test')
)

insert into app.webhook_queue (tenant_id, endpoint_id, event_id, due_at, give_up_at)
values (%(tenant_id)s, %(endpoint_id)s, %(event_id)s, now(), now() + interval '3 days')

-- list_deliveries --
-- What was told to an endpoint, the newest event first.
select
    d.event_id,
    d.event_type,
    d.state,
    d.attempts,
    d.failure,
    d.http_status,
    d.finished_at,
    e.occurred_at,
    q.due_at as next_attempt_at
from app.webhook_deliveries as d
inner join app.tenant_events as e
    on d.tenant_id = e.tenant_id
    and d.event_id = e.event_id
left join app.webhook_queue as q
    on d.tenant_id = q.tenant_id
    and d.endpoint_id = q.endpoint_id
    and d.event_id = q.event_id
where d.tenant_id = %(tenant_id)s
    and d.endpoint_id = %(endpoint_id)s
    and (%(state)s::text is null or d.state = %(state)s::text)
    and (%(event_type)s::text is null or d.event_type = %(event_type)s::text)
    and d.event_id >= %(first_id)s
    and d.event_id < %(end_id)s
    and (%(after)s::uuid is null or d.event_id < %(after)s::uuid)
order by d.event_id desc
limit %(limit)s

-- get_delivery --
-- One event to one endpoint, with what it says.
select
    d.event_id,
    d.event_type,
    d.state,
    d.attempts,
    d.failure,
    d.http_status,
    d.finished_at,
    e.occurred_at,
    e.data,
    (
        select q.due_at
        from app.webhook_queue as q
        where q.tenant_id = d.tenant_id
            and q.endpoint_id = d.endpoint_id
            and q.event_id = d.event_id
    ) as next_attempt_at
from app.webhook_deliveries as d
inner join app.tenant_events as e
    on d.tenant_id = e.tenant_id
    and d.event_id = e.event_id
where d.tenant_id = %(tenant_id)s
    and d.endpoint_id = %(endpoint_id)s
    and d.event_id = %(event_id)s

-- list_attempts --
-- Every try of one delivery, the last first.
select
    a.attempt_no,
    a.started_at,
    a.duration_ms,
    a.http_status,
    a.failure,
    a.answer
from app.webhook_attempts as a
where a.tenant_id = %(tenant_id)s
    and a.endpoint_id = %(endpoint_id)s
    and a.event_id = %(event_id)s
order by a.attempt_no desc
limit 100

-- replay_delivery --
-- Sends one event again, unless it waits anyway; its schedule of retries begins anew.
with finished as materialized (
    select d.tenant_id, d.endpoint_id, d.event_id
    from app.webhook_deliveries as d
    where d.tenant_id = %(tenant_id)s
        and d.endpoint_id = %(endpoint_id)s
        and d.event_id = %(event_id)s
        and d.state <> 'pending'
    for update
),

queued as (
    insert into app.webhook_queue (tenant_id, endpoint_id, event_id, due_at, give_up_at)
    select f.tenant_id, f.endpoint_id, f.event_id, now(), now() + interval '3 days'
    from finished as f
    on conflict (tenant_id, endpoint_id, event_id) do nothing
)

update app.webhook_deliveries as d
set state = 'pending', finished_at = null
from finished as f
where d.tenant_id = f.tenant_id
    and d.endpoint_id = f.endpoint_id
    and d.event_id = f.event_id

-- replay_deliveries --
-- Sends a page of finished deliveries again, in the order of their ids; the next begins after it.
with finished as materialized (
    select d.tenant_id, d.endpoint_id, d.event_id
    from app.webhook_deliveries as d
    where d.tenant_id = %(tenant_id)s
        and d.endpoint_id = %(endpoint_id)s
        and d.state = any(%(states)s::text[])
        and (%(event_types)s::text[] is null or d.event_type = any(%(event_types)s::text[]))
        and d.event_id >= app.uuid7_floor(%(from)s::timestamptz)
        and d.event_id < app.uuid7_floor(%(until)s::timestamptz)
        and (%(after)s::uuid is null or d.event_id > %(after)s::uuid)
    order by d.event_id
    limit %(limit)s
    for update
),

queued as (
    insert into app.webhook_queue (tenant_id, endpoint_id, event_id, due_at, give_up_at)
    select f.tenant_id, f.endpoint_id, f.event_id, now(), now() + interval '3 days'
    from finished as f
    on conflict (tenant_id, endpoint_id, event_id) do nothing
),

reset as (
    update app.webhook_deliveries as d
    set state = 'pending', finished_at = null
    from finished as f
    where d.tenant_id = f.tenant_id
        and d.endpoint_id = f.endpoint_id
        and d.event_id = f.event_id
)

select
    count(*) as replayed,
    (array_agg(f.event_id order by f.event_id desc))[1] as last_event_id
from finished as f
