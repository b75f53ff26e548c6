-- expire_leases --
-- Claims whose worker did not come back: in doubt, for nobody knows how far it got. The fifth in a
-- row is quarantined: `in_doubt_since` stays empty, so that nothing settles it by itself.
-- cross-tenant: one settler serves every tenant
with expired as materialized (
    select
        m.tenant_id,
        m.message_id,
        m.lost_claims >= %(quarantine_after)s - 1 as is_poison
    from app.messages as m
    where m.work = 'leased'
        and m.lease_until < now()
    order by m.message_id
    limit %(limit)s
    for update skip locked
),

moved as (
    update app.messages as m
    set
        state = 'in_doubt',
        reason = case when e.is_poison then 'quarantined' end,
        in_doubt_since = case when not e.is_poison then now() end,
        lost_claims = least(m.lost_claims + 1, 32767),
        lease_until = null,
        state_changed_at = now()
    from expired as e
    where m.tenant_id = e.tenant_id
        and m.message_id = e.message_id
    returning m.*
),

attempts as (
    insert into app.message_attempts (
        tenant_id, message_id, attempt_no, outcome, claimed_at, worker
    )
    select m.tenant_id, m.message_id, m.attempt_no, 'lease_expired', m.claimed_at, m.claimed_by
    from moved as m
    on conflict (tenant_id, message_id, attempt_no) do update
    set
        outcome = excluded.outcome,
        claimed_at = excluded.claimed_at,
        worker = excluded.worker,
        recorded_at = now()
    -- That number was claimed before and never left.
    where message_attempts.outcome = 'not_sent'
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, attempt_no, occurred_at
    )
    select
        m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id,
        m.phone_number_id, 'in_doubt', m.category, m.country, m.market, m.reason, m.attempt_no,
        now()
    from moved as m
)

select
    m.tenant_id,
    m.message_id,
    coalesce(m.reason = 'quarantined', false) as is_poison
from moved as m

-- get_listening_since --
-- Since when landing has listened without a gap, as far as the quiet time looks back; now, when it
-- does not listen. A gap is a bucket of five seconds without a pulse.
with pulses as (
    select
        p.bucket,
        lag(p.bucket) over (order by p.bucket) as before
    from raw.landing_pulses as p
    where p.bucket > now() - make_interval(secs => %(quiet_seconds)s + 60)
)

select
    case
        when max(p.bucket) < now() - interval '15 seconds' then now()
        else coalesce(
            max(p.bucket) filter (
                where p.before is null or p.bucket - p.before > interval '5 seconds'
            ),
            now()
        )
    end as listening_since
from pulses as p

-- forget_pulses --
-- Drops pulses that no doubt looks back to.
delete from raw.landing_pulses
where bucket < now() - make_interval(secs => %(keep_seconds)s)

-- list_doubts --
-- Messages in doubt for the quiet time and longer, with what decides about them.
-- cross-tenant: one settler serves every tenant
select
    m.tenant_id,
    m.message_id,
    m.phone_number_id,
    m.category,
    m.attempt_no,
    m.claimed_at,
    m.in_doubt_since,
    m.in_doubt_since < now() - make_interval(secs => %(give_up_seconds)s) as given_up,
    (
        select count(*)
        from app.message_attempts as a
        where a.tenant_id = m.tenant_id
            and a.message_id = m.message_id
            and a.outcome in ('in_doubt', 'lease_expired')
    ) as doubts
from app.messages as m
where m.work = 'doubt'
    and m.in_doubt_since < now() - make_interval(secs => %(quiet_seconds)s)
    -- Silence is Meta's only when we have listened. While nobody could reach us Meta kept what it
    -- had to say, and says it later: the quiet time begins anew with every gap in the pulses.
    and (
        %(listening_since)s::timestamptz < now() - make_interval(secs => %(quiet_seconds)s)
        or m.in_doubt_since < now() - make_interval(secs => %(give_up_seconds)s)
    )
    -- A body that was received in the quiet time and still waits for the applier may be the very
    -- proof.
    and m.in_doubt_since + make_interval(secs => %(quiet_seconds)s) <= (
        select coalesce(min(q.received_at), 'infinity')
        from raw.webhook_queue as q
    )
    -- Page by page: doubts that must wait on do not hide those behind them.
    and (m.in_doubt_since, m.message_id) > (%(after_at)s, %(after_id)s)
order by m.in_doubt_since, m.message_id
limit %(limit)s

-- count_controls --
-- Of up to 200 sends of a number that Meta took by answer near an instant: how many were heard of.
select
    count(*) as controls,
    count(*) filter (
        where m.sent_at is not null
            or m.delivered_at is not null
            or m.read_at is not null
            or m.failed_at is not null
    ) as heard
from (
    select e.message_id
    from raw.message_events as e
    where e.tenant_id = %(tenant_id)s
        and e.phone_number_id = %(phone_number_id)s
        and e.event_type = 'accepted'
        and e.ingested_at >= %(at)s::timestamptz - interval '2 minutes'
        and e.ingested_at < %(at)s::timestamptz + interval '2 minutes'
    limit 200
) as accepted
inner join app.messages as m
    on m.tenant_id = %(tenant_id)s
    and accepted.message_id = m.message_id
-- An acceptance that a webhook proved says nothing about webhooks that do not come.
inner join app.message_attempts as a
    on m.tenant_id = a.tenant_id
    and m.message_id = a.message_id
    and a.outcome = 'accepted'

-- settle_doubts --
-- Closes doubts: not sent (failed), one more try (queued), or too late (expired).
with verdicts as (
    select *
    from unnest(
        %(tenant_ids)s::uuid[], %(message_ids)s::uuid[], %(attempt_nos)s::smallint[],
        %(states)s::text[]
    ) as v (tenant_id, message_id, attempt_no, state)
),

locked as materialized (
    select m.tenant_id, m.message_id, v.state
    from verdicts as v
    inner join app.messages as m
        on v.tenant_id = m.tenant_id
        and v.message_id = m.message_id
    -- A webhook may have spoken since the verdict: then it stands.
    where m.state = 'in_doubt'
        and m.attempt_no = v.attempt_no
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
    order by m.message_id
    for update of m
),

settled as (
    update app.messages as m
    set
        state = l.state,
        reason = case when l.state <> 'queued' then 'unconfirmed' end,
        failed_at = case when l.state = 'failed' then now() end,
        in_doubt_since = null,
        not_before = null,
        state_changed_at = now()
    from locked as l
    where m.tenant_id = l.tenant_id
        and m.message_id = l.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
    returning m.*
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, attempt_no, occurred_at
    )
    select
        s.tenant_id, s.message_id, s.campaign_id, s.contact_pseudonym, s.waba_id,
        s.phone_number_id, s.state, s.category, s.country, s.market, s.reason, s.attempt_no, now()
    from settled as s
    where s.state <> 'queued'
)

select s.state, count(*) as messages
from settled as s
group by s.state

-- cancel_queued --
-- Takes back what still waits in cancelled campaigns, with its events.
-- cross-tenant: one settler serves every tenant
with ended as materialized (
    select c.tenant_id, c.campaign_id, c.created_at
    from app.campaigns as c
    where c.status = 'cancelled'
        and c.finished_at is null
),

-- Campaign by campaign through the index of queued rows: joined as sets, a million rows were read
-- from end to end for each batch.
waiting as materialized (
    select w.tenant_id, w.message_id
    from ended as c
    cross join lateral (
        select m.tenant_id, m.message_id
        from app.messages as m
        where m.tenant_id = c.tenant_id
            and m.campaign_id = c.campaign_id
            and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
            and m.work = 'due'
        order by m.message_id
        limit %(limit)s
        for update of m skip locked
    ) as w
    limit %(limit)s
),

cancelled as (
    update app.messages as m
    set
        state = 'cancelled',
        reason = 'campaign_cancelled',
        state_changed_at = now()
    from waiting as w
    where m.tenant_id = w.tenant_id
        and m.message_id = w.message_id
    returning m.*
)

insert into raw.message_events (
    tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id, event_type,
    category, country, market, reason, attempt_no, occurred_at
)
select
    c.tenant_id, c.message_id, c.campaign_id, c.contact_pseudonym, c.waba_id, c.phone_number_id,
    'cancelled', c.category, c.country, c.market, c.reason, c.attempt_no, now()
from cancelled as c

-- lock_ended --
-- Locks campaigns that seem to have nothing open. A re-drive locks its campaign as well, so that
-- the statement after this one sees what it put back into the queue.
-- cross-tenant: one settler serves every tenant
select c.campaign_id
from app.campaigns as c
where c.status in ('running', 'cancelled')
    and c.finished_at is null
    and not exists (
        select 1
        from app.open_messages as m
        where m.tenant_id = c.tenant_id
            and m.campaign_id = c.campaign_id
            and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
            -- A quarantined message waits for a person, not for us.
            and (m.state <> 'in_doubt' or m.in_doubt_since is not null)
    )
order by c.campaign_id
for update skip locked

-- finish_campaigns --
-- Marks campaigns without open messages as finished; how they ended is what their rows say.
-- cross-tenant: one settler serves every tenant
update app.campaigns as c
set finished_at = now()
where c.campaign_id = any(%(campaign_ids)s::uuid[])
    and c.status in ('running', 'cancelled')
    and c.finished_at is null
    and not exists (
        select 1
        from app.open_messages as m
        where m.tenant_id = c.tenant_id
            and m.campaign_id = c.campaign_id
            and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
            -- A quarantined message waits for a person, not for us.
            and (m.state <> 'in_doubt' or m.in_doubt_since is not null)
    )

-- ensure_partitions --
-- Creates what partitions are missing ahead.
select ops.ensure_partitions(now(), %(days_ahead)s)
