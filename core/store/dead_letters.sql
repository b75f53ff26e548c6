-- bury_ticket --
-- Keeps a dead ticket with the reason; the same bytes again are counted, and open it once more.
-- cross-tenant: the bytes may name no tenant at all
insert into ops.dead_tickets (
    dead_ticket_id, reason, tenant_id, phone_number_id, message_ids, body
)
values (
    %(dead_ticket_id)s, %(reason)s, %(tenant_id)s, %(phone_number_id)s, %(message_ids)s::uuid[],
    %(body)s
)
on conflict (dead_ticket_id) do update
set
    reason = excluded.reason,
    occurrences = dead_tickets.occurrences + 1,
    last_seen_at = now(),
    resolved_at = null,
    resolution = null,
    resolved_by = null

-- list_dead_letters --
-- What was put aside, the oldest first: dead tickets, and webhook updates in quarantine.
-- cross-tenant: an operator looks after every tenant
with letters as (
    select
        'ticket:' || d.dead_ticket_id as letter_id,
        'ticket' as kind,
        d.reason,
        d.tenant_id,
        case
            when d.message_ids is null then 'no ticket: ' || octet_length(d.body) || ' bytes'
            else cardinality(d.message_ids) || ' messages'
        end as detail,
        d.occurrences,
        d.buried_at as put_aside_at,
        d.resolved_at,
        d.resolution
    from ops.dead_tickets as d
    union all
    select
        'webhook:' || q.quarantine_id as letter_id,
        'webhook' as kind,
        q.reason,
        q.tenant_id,
        q.detail || ' (update ' || q.update_index || ' of body ' || q.body_id || ')' as detail,
        1 as occurrences,
        q.quarantined_at as put_aside_at,
        q.resolved_at,
        q.resolution
    from raw.webhook_quarantine as q
)

select
    l.letter_id,
    l.kind,
    l.reason,
    t.slug,
    l.detail,
    l.occurrences,
    l.put_aside_at,
    l.resolved_at,
    l.resolution
from letters as l
left join app.tenants as t on l.tenant_id = t.tenant_id
where (%(include_resolved)s::boolean or l.resolved_at is null)
    and (%(kind)s::text is null or l.kind = %(kind)s)
    and (%(reason)s::text is null or l.reason like %(reason)s || '%%')
    and (%(slug)s::text is null or t.slug = %(slug)s)
    and (%(before)s::timestamptz is null or l.put_aside_at < %(before)s)
    and (%(letter_ids)s::text[] is null or l.letter_id = any(%(letter_ids)s::text[]))
order by l.put_aside_at, l.letter_id
limit %(limit)s

-- lock_dead_ticket --
-- An open dead ticket, unless another redrive has it in its hands.
-- cross-tenant: an operator looks after every tenant
select
    d.tenant_id,
    d.phone_number_id,
    d.message_ids,
    d.body
from ops.dead_tickets as d
where d.dead_ticket_id = %(dead_ticket_id)s
    and d.resolved_at is null
for update skip locked

-- list_still_queued --
-- Which messages of a dead ticket nobody has sent meanwhile.
select m.message_id
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.message_id = any(%(message_ids)s::uuid[])
    and m.message_id >= %(lowest)s
    and m.message_id <= %(highest)s
    and m.state = 'queued'
order by m.message_id

-- resolve_ticket --
-- Closes a dead ticket.
-- cross-tenant: an operator looks after every tenant
update ops.dead_tickets
set
    resolved_at = now(),
    resolution = %(resolution)s,
    resolved_by = %(actor)s
where dead_ticket_id = %(dead_ticket_id)s
    and resolved_at is null

-- redrive_webhook --
-- Puts the body of a quarantined update back before the applier; no row when the body is gone or
-- another redrive was faster.
-- cross-tenant: an operator looks after every tenant
with chosen as materialized (
    select q.quarantine_id, q.body_id, q.received_at
    from raw.webhook_quarantine as q
    where q.quarantine_id = %(quarantine_id)s
        and q.resolved_at is null
    for update skip locked
),

kept as materialized (
    select c.quarantine_id, c.body_id, c.received_at
    from chosen as c
    inner join raw.webhook_bodies as b
        on c.received_at = b.received_at
        and c.body_id = b.body_id
),

queued as (
    insert into raw.webhook_queue (body_id, received_at)
    select k.body_id, k.received_at
    from kept as k
    on conflict (body_id) do nothing
)

update raw.webhook_quarantine as q
set
    resolved_at = now(),
    resolution = 'redriven',
    resolved_by = %(actor)s
from kept as k
where q.quarantine_id = k.quarantine_id
returning q.quarantine_id

-- discard_webhook --
-- Closes a quarantined update without another try; its body stays as long as bodies do.
-- cross-tenant: an operator looks after every tenant
update raw.webhook_quarantine
set
    resolved_at = now(),
    resolution = 'discarded',
    resolved_by = %(actor)s
where quarantine_id = %(quarantine_id)s
    and resolved_at is null

-- read_webhook_body --
-- The raw bytes of a quarantined update's body; null when retention has dropped them.
-- cross-tenant: an operator looks after every tenant
select
    q.reason,
    q.detail,
    q.update_index,
    q.received_at,
    q.quarantined_at,
    b.body
from raw.webhook_quarantine as q
left join raw.webhook_bodies as b
    on q.received_at = b.received_at
    and q.body_id = b.body_id
where q.quarantine_id = %(quarantine_id)s

-- read_dead_ticket --
-- A dead ticket with its bytes.
-- cross-tenant: an operator looks after every tenant
select
    d.reason,
    d.tenant_id,
    d.phone_number_id,
    cardinality(d.message_ids) as messages,
    d.occurrences,
    d.buried_at,
    d.last_seen_at,
    d.body
from ops.dead_tickets as d
where d.dead_ticket_id = %(dead_ticket_id)s
