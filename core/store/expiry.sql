-- expire_held --
-- Ends what Meta has held for its quality assessment beyond our patience; with events.
-- cross-tenant: one settler serves every tenant
with overdue as materialized (
    select m.tenant_id, m.message_id
    from unnest(%(categories)s::text[]) as c (category)
    cross join lateral (
        select held.tenant_id, held.message_id
        from app.messages as held
        where held.state = 'held'
            and held.category = c.category
            and held.accepted_at < now() - make_interval(secs => %(held_seconds)s)
        order by held.accepted_at
        limit %(limit)s
    ) as m
),

locked as materialized (
    select m.tenant_id, m.message_id
    from overdue as o
    inner join app.messages as m
        on o.tenant_id = m.tenant_id
        and o.message_id = m.message_id
    where m.state = 'held'
    order by m.message_id
    for update of m skip locked
),

expired as (
    update app.messages as m
    set
        state = 'expired',
        reason = 'held_too_long',
        state_changed_at = now()
    from locked as l
    where m.tenant_id = l.tenant_id
        and m.message_id = l.message_id
    returning m.*
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, attempt_no, occurred_at
    )
    select
        e.tenant_id, e.message_id, e.campaign_id, e.contact_pseudonym, e.waba_id,
        e.phone_number_id, 'expired', e.category, e.country, e.market, e.reason, e.attempt_no, now()
    from expired as e
)

select
    e.tenant_id,
    coalesce(e.campaign_id::text, e.phone_number_id) as subject,
    count(*) as messages
from expired as e
group by e.tenant_id, coalesce(e.campaign_id::text, e.phone_number_id)

-- expire_undelivered --
-- Ends what Meta took and never delivered within its time to live: it was dropped without a word.
-- A template's own time to live counts where it is known; -1 is Meta's 30 days. With events.
-- cross-tenant: one settler serves every tenant
with limits as (
    select
        c.category,
        c.ttl_seconds,
        -- Nothing younger than this can be due, whatever its template says.
        least(
            c.ttl_seconds,
            (
                select min(t.message_send_ttl_seconds)
                from app.templates as t
                where t.category = c.category
                    and t.message_send_ttl_seconds > 0
            )
        ) as shortest
    from unnest(%(categories)s::text[], %(ttl_seconds)s::integer[]) as c (category, ttl_seconds)
),

overdue as materialized (
    select m.tenant_id, m.message_id
    from limits as l
    cross join lateral (
        select awaiting.tenant_id, awaiting.message_id
        from app.messages as awaiting
        left join app.templates as t
            on awaiting.tenant_id = t.tenant_id
            and awaiting.template_id = t.template_id
        where awaiting.state in ('accepted', 'sent')
            and awaiting.category = l.category
            and awaiting.accepted_at
            < now() - make_interval(secs => l.shortest + %(buffer_seconds)s)
            and awaiting.accepted_at < now() - make_interval(
                secs => case
                    when t.message_send_ttl_seconds = -1 then 2592000
                    else coalesce(t.message_send_ttl_seconds, l.ttl_seconds)
                end + %(buffer_seconds)s
            )
        order by awaiting.accepted_at
        limit %(limit)s
    ) as m
),

locked as materialized (
    select m.tenant_id, m.message_id
    from overdue as o
    inner join app.messages as m
        on o.tenant_id = m.tenant_id
        and o.message_id = m.message_id
    -- A webhook may have spoken since.
    where m.state in ('accepted', 'sent')
    order by m.message_id
    for update of m skip locked
),

expired as (
    update app.messages as m
    set
        state = 'expired',
        reason = 'ttl',
        state_changed_at = now()
    from locked as l
    where m.tenant_id = l.tenant_id
        and m.message_id = l.message_id
    returning m.*
)

insert into raw.message_events (
    tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id, event_type,
    category, country, market, reason, attempt_no, occurred_at
)
select
    e.tenant_id, e.message_id, e.campaign_id, e.contact_pseudonym, e.waba_id, e.phone_number_id,
    'expired', e.category, e.country, e.market, e.reason, e.attempt_no, now()
from expired as e

-- open_free_entry_points --
-- An advertisement's message that was answered within 24 h: 72 free hours from the first answer.
-- cross-tenant: one settler serves every tenant
with answered as (
    select
        w.tenant_id,
        w.phone_number_id,
        w.contact_id,
        min(m.accepted_at) as accepted_at
    from app.service_windows as w
    inner join app.messages as m
        on w.tenant_id = m.tenant_id
        and w.contact_id = m.contact_id
        and w.phone_number_id = m.phone_number_id
    where w.referral_at is not null
        and w.free_entry_until is null
        -- An answer is recorded within the day; what is recorded later was sent too late.
        and w.referral_at > now() - interval '3 days'
        and m.accepted_at >= w.referral_at
        and m.accepted_at < w.referral_at + interval '24 hours'
    group by w.tenant_id, w.phone_number_id, w.contact_id
)

update app.service_windows as w
set free_entry_until = a.accepted_at + interval '72 hours'
from answered as a
where w.tenant_id = a.tenant_id
    and w.phone_number_id = a.phone_number_id
    and w.contact_id = a.contact_id

-- delete_old_inbound --
-- Removes what people wrote once its retention is over, some rows at a time.
-- cross-tenant: one settler serves every tenant
delete from app.inbound_messages as m
using (
    select old.tenant_id, old.inbound_id
    from app.inbound_messages as old
    where old.received_at < now() - make_interval(days => %(days)s)
    order by old.received_at
    limit %(limit)s
) as old
where m.tenant_id = old.tenant_id
    and m.inbound_id = old.inbound_id
