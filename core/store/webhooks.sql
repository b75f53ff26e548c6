-- list_due_bodies --
-- The oldest bodies that wait for the applier, locked; another applier takes the next ones.
with due as materialized (
    select q.body_id, q.received_at, q.attempts
    from raw.webhook_queue as q
    where q.not_before <= now()
    order by q.body_id
    limit %(limit)s
    for update skip locked
)

select
    due.body_id,
    due.received_at,
    due.attempts,
    stored.bytes
from due
-- One look-up a body: joined as sets, a backlog made each batch read the whole day.
cross join lateral (
    select octet_length(b.body) as bytes
    from raw.webhook_bodies as b
    where b.received_at = due.received_at
        and b.body_id = due.body_id
    offset 0
) as stored
order by due.body_id

-- read_bodies --
-- The raw bytes of some bodies.
select
    wanted.body_id,
    stored.body
from unnest(%(body_ids)s::bigint[], %(received_ats)s::timestamptz[]) as wanted (
    body_id, received_at
)
-- One look-up a body, as above.
cross join lateral (
    select b.body
    from raw.webhook_bodies as b
    where b.received_at = wanted.received_at
        and b.body_id = wanted.body_id
    offset 0
) as stored

-- delete_applied --
-- Takes applied bodies out of the queue, in the transaction that applied them.
delete from raw.webhook_queue
where body_id = any(%(body_ids)s::bigint[])

-- postpone_body --
-- Counts a failed application and tries again later.
update raw.webhook_queue
set
    attempts = attempts + 1,
    not_before = now() + make_interval(secs => %(seconds)s)
where body_id = %(body_id)s

-- count_waiting --
-- Bodies that wait, up to a number beyond which the exact one says nothing more.
select count(*) as waiting
from (select 1 from raw.webhook_queue limit 100000) as waiting

-- list_number_owners --
-- Whose number each of these is; a number belongs to one tenant.
-- cross-tenant: the tenant of an update is found here
select
    number.phone_number_id,
    number.tenant_id,
    number.waba_id
from app.phone_numbers as number
where number.phone_number_id = any(%(phone_number_ids)s::text[])

-- list_account_owners --
-- Whose account each of these is; an account belongs to one tenant.
-- cross-tenant: the tenant of an update is found here
select
    account.waba_id,
    account.tenant_id
from app.whatsapp_accounts as account
where account.waba_id = any(%(waba_ids)s::text[])

-- find_by_wamids --
-- Which messages these wamids belong to.
select
    w.tenant_id,
    w.wamid,
    w.message_id,
    w.attempt_no
from unnest(%(tenant_ids)s::uuid[], %(wamids)s::text[]) as wanted (tenant_id, wamid)
inner join app.message_wamids as w
    on wanted.tenant_id = w.tenant_id
    and wanted.wamid = w.wamid

-- insert_status_keys --
-- Remembers (wamid, status) pairs; returns those nobody has applied before.
insert into app.status_keys (tenant_id, wamid, status, occurred_at)
select k.tenant_id, k.wamid, k.status, k.occurred_at
from unnest(
    %(tenant_ids)s::uuid[], %(wamids)s::text[], %(statuses)s::text[],
    %(occurred_ats)s::timestamptz[]
) as k (tenant_id, wamid, status, occurred_at)
-- One order for every applier: two that hold the same keys wait instead of blocking each other.
order by k.wamid, k.status
on conflict (tenant_id, wamid, status) do nothing
returning tenant_id, wamid, status

-- list_failed_wamids --
-- Which of these wamids Meta said had failed.
select k.tenant_id, k.wamid
from app.status_keys as k
inner join unnest(%(tenant_ids)s::uuid[], %(wamids)s::text[]) as asked (tenant_id, wamid)
    on k.tenant_id = asked.tenant_id
    and k.wamid = asked.wamid
where k.status = 'failed'

-- read_messages --
-- The messages these statuses are about, as they stand; the caller has locked them.
select
    m.tenant_id, m.message_id, m.phone_number_id, m.waba_id, m.contact_id, m.template_id,
    m.address, m.state, m.reason, m.error_code, m.conflict, m.attempt_no, m.wamid, m.billable,
    m.pricing_model, m.pricing_type, m.pricing_category, m.accepted_at, m.sent_at,
    m.delivered_at, m.read_at, m.failed_at
from unnest(%(tenant_ids)s::uuid[], %(message_ids)s::uuid[]) as wanted (tenant_id, message_id)
inner join app.messages as m
    on wanted.tenant_id = m.tenant_id
    and wanted.message_id = m.message_id
where m.message_id >= %(lowest)s
    and m.message_id <= %(highest)s

-- apply_facts --
-- Writes what the statuses changed: message rows, wamids, and one event for each new fact.
with changes as materialized (
    select *
    from unnest(
        %(tenant_ids)s::uuid[],
        %(message_ids)s::uuid[],
        %(states)s::text[],
        %(reasons)s::text[],
        %(error_codes)s::integer[],
        %(conflicts)s::text[],
        %(wamids)s::text[],
        %(billables)s::boolean[],
        %(pricing_models)s::text[],
        %(pricing_types)s::text[],
        %(pricing_categories)s::text[],
        %(accepted_ats)s::timestamptz[],
        %(sent_ats)s::timestamptz[],
        %(delivered_ats)s::timestamptz[],
        %(read_ats)s::timestamptz[],
        %(failed_ats)s::timestamptz[]
    ) as c (
        tenant_id, message_id, state, reason, error_code, conflict, wamid, billable,
        pricing_model, pricing_type, pricing_category, accepted_at, sent_at, delivered_at, read_at,
        failed_at
    )
),

moved as (
    update app.messages as m
    set
        state = c.state,
        reason = c.reason,
        error_code = c.error_code,
        conflict = c.conflict,
        wamid = c.wamid,
        billable = c.billable,
        pricing_model = c.pricing_model,
        pricing_type = c.pricing_type,
        pricing_category = c.pricing_category,
        accepted_at = c.accepted_at,
        sent_at = c.sent_at,
        delivered_at = c.delivered_at,
        read_at = c.read_at,
        failed_at = c.failed_at,
        lease_until = case when c.state = 'sending' then m.lease_until end,
        in_doubt_since = case when c.state = 'in_doubt' then m.in_doubt_since end,
        state_changed_at = case when m.state = c.state then m.state_changed_at else now() end
    from changes as c
    where m.tenant_id = c.tenant_id
        and m.message_id = c.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
    returning
        m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id,
        m.phone_number_id, m.category, m.country, m.market
),

identified as (
    insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)
    select w.tenant_id, w.wamid, w.message_id, w.attempt_no
    from unnest(
        %(wamid_tenant_ids)s::uuid[], %(new_wamids)s::text[], %(wamid_message_ids)s::uuid[],
        %(wamid_attempt_nos)s::smallint[]
    ) as w (tenant_id, wamid, message_id, attempt_no)
    order by w.wamid
    on conflict (tenant_id, wamid) do nothing
)

insert into raw.message_events (
    tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id, event_type,
    category, country, market, billable, pricing_model, pricing_type, pricing_category, error_code,
    attempt_no, occurred_at
)
select
    m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id, m.phone_number_id,
    f.event_type, m.category, m.country, m.market, f.billable, f.pricing_model, f.pricing_type,
    f.pricing_category, f.error_code, f.attempt_no, f.occurred_at
from unnest(
    %(event_message_ids)s::uuid[],
    %(event_types)s::text[],
    %(event_billables)s::boolean[],
    %(event_pricing_models)s::text[],
    %(event_pricing_types)s::text[],
    %(event_pricing_categories)s::text[],
    %(event_error_codes)s::integer[],
    %(event_attempt_nos)s::smallint[],
    %(event_occurred_ats)s::timestamptz[]
) as f (
    message_id, event_type, billable, pricing_model, pricing_type, pricing_category, error_code,
    attempt_no, occurred_at
)
inner join moved as m on f.message_id = m.message_id

-- insert_orphan --
-- Keeps a status whose wamid no message has yet, once however often Meta repeats it.
insert into raw.orphan_statuses (
    tenant_id, phone_number_id, wamid, status, update_json, body_id, next_try_at
)
select
    %(tenant_id)s, %(phone_number_id)s, %(wamid)s, %(status)s, %(update_json)s, %(body_id)s, now()
where not exists (
    select 1
    from raw.orphan_statuses as o
    where o.tenant_id = %(tenant_id)s
        and o.wamid = %(wamid)s
        and o.status = %(status)s
)

-- take_found_orphans --
-- Looks for the messages of orphans that are due. What is found is removed here and applied by the
-- caller in this transaction; the rest comes round again, less often the older it is: what another
-- system sends from the same number never finds a message.
with due as materialized (
    select
        o.orphan_id,
        exists (
            select 1
            from app.message_wamids as w
            where w.tenant_id = o.tenant_id
                and w.wamid = o.wamid
        ) as found
    from raw.orphan_statuses as o
    where o.next_try_at <= now()
    order by o.next_try_at
    limit %(limit)s
    for update skip locked
),

postponed as (
    update raw.orphan_statuses as o
    set next_try_at = now() + least(
        greatest(now() - o.first_seen_at, interval '2 seconds'), interval '1 hour'
    )
    from due
    where o.orphan_id = due.orphan_id
        and not due.found
)

delete from raw.orphan_statuses as o
using due
where o.orphan_id = due.orphan_id
    and due.found
returning o.update_json, o.body_id, o.first_seen_at

-- quarantine_old_orphans --
-- Puts orphans aside that waited longer than Meta could still repeat anything.
-- cross-tenant: one applier serves every tenant
with old as (
    delete from raw.orphan_statuses
    where first_seen_at < now() - make_interval(days => %(days)s)
    returning tenant_id, body_id, first_seen_at
)

insert into raw.webhook_quarantine (
    tenant_id, body_id, received_at, update_index, reason, detail
)
select
    tenant_id, body_id, first_seen_at, 0, 'unknown_message',
    'no message of this wamid turned up in time'
from old

-- quarantine_update --
-- Puts one update aside with the reason; its body stays where it is.
-- cross-tenant: an update nobody owns has no tenant
insert into raw.webhook_quarantine (
    tenant_id, body_id, received_at, update_index, reason, detail
)
values (
    %(tenant_id)s, %(body_id)s, %(received_at)s, %(update_index)s, %(reason)s, %(detail)s
)

-- find_contact --
-- The person behind a wa_id, a business-scoped user id or a phone's match key.
select i.contact_id
from app.contact_identities as i
where i.tenant_id = %(tenant_id)s
    and (
        (i.kind = 'bsuid' and i.value = %(user_id)s)
        or (i.kind = 'wa_id' and i.value = %(wa_id)s)
        or (i.kind = 'phone' and i.value = %(match_key)s)
    )
order by i.kind
limit 1
