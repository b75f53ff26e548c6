-- expire_held --
-- Ends what Meta has held for its quality assessment beyond our patience; with events.
-- cross-tenant: one settler serves every tenant
with overdue as materialized (
    select m.tenant_id, m.message_id
    from unnest(%(categories)s::text[]) as c (category)
    cross join lateral (
        select held.tenant_id, held.message_id
        from app.messages as held
        where held.work = 'held'
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

-- expire_unsent --
-- Ends what was never claimed and may not be sent any more, whatever holds it up: past its own
-- last moment, or of a campaign that was launched too long ago. With events. What the claim finds
-- first ends the same way; the seconds of grace leave it the first look.
-- cross-tenant: one settler serves every tenant
with overdue as materialized (
    (
        select m.tenant_id, m.message_id
        from app.messages as m
        where m.work = 'due'
            and m.expires_at < now() - make_interval(secs => %(grace_seconds)s)
        order by m.expires_at
        limit %(limit)s
    )
    union
    (
        select m.tenant_id, m.message_id
        from app.campaigns as c
        inner join app.messages as m
            on c.tenant_id = m.tenant_id
            and c.campaign_id = m.campaign_id
        where c.status in ('running', 'paused')
            and c.launched_at < now() - make_interval(days => %(campaign_days)s)
            and m.work = 'due'
        limit %(limit)s
    )
),

locked as materialized (
    select m.tenant_id, m.message_id
    from overdue as o
    inner join app.messages as m
        on o.tenant_id = m.tenant_id
        and o.message_id = m.message_id
    where m.state = 'queued'
    order by m.message_id
    for update of m skip locked
),

expired as (
    update app.messages as m
    set
        state = 'expired',
        reason = 'too_late',
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

select e.message_id
from expired as e

-- note_times_to_live --
-- Remembers which times to live there are: each category's own, those of its templates, and longer
-- ones as nets. A new one begins where the longest has come to.
-- cross-tenant: one settler serves every tenant
with times as (
    select c.category, c.ttl_seconds
    from unnest(%(categories)s::text[], %(ttl_seconds)s::integer[]) as c (category, ttl_seconds)
    union
    select
        t.category,
        case
            when t.message_send_ttl_seconds > 0 then t.message_send_ttl_seconds else 2592000
        end
    from app.templates as t
    where t.message_send_ttl_seconds is not null
),

nets as (
    select s.category, n.ttl_seconds
    from (select category, min(ttl_seconds) as shortest from times group by category) as s
    cross join unnest(%(nets)s::integer[]) as n (ttl_seconds)
    where n.ttl_seconds > s.shortest
)

insert into ops.expiry_marks (category, ttl_seconds, swept_to)
select
    wanted.category,
    wanted.ttl_seconds,
    coalesce(
        (
            select k.swept_to
            from ops.expiry_marks as k
            where k.category = wanted.category
            order by k.ttl_seconds desc
            limit 1
        ),
        '-infinity'
    )
from (select * from times union select * from nets) as wanted
order by wanted.category, wanted.ttl_seconds
on conflict (category, ttl_seconds) do nothing

-- expire_undelivered --
-- Ends what Meta took and never delivered within its time to live: it was dropped without a word.
-- A template's own time to live counts where it is known; -1 is Meta's 30 days. With events.
-- Each time to live goes over what Meta took once, up to its mark; what a shorter one came too
-- early for (its acceptance was proven late, its template has another time now), the next finds.
-- cross-tenant: one settler serves every tenant
with marks as materialized (
    select
        k.category,
        k.ttl_seconds,
        k.swept_to,
        now() - make_interval(secs => k.ttl_seconds + %(buffer_seconds)s) as due_to
    from ops.expiry_marks as k
    where k.swept_to < now() - make_interval(secs => k.ttl_seconds + %(buffer_seconds)s)
    order by k.category, k.ttl_seconds
    for update skip locked
),

looked as materialized (
    select k.category, k.ttl_seconds, m.*
    from marks as k
    cross join lateral (
        select a.tenant_id, a.message_id, a.template_id, a.state, a.accepted_at
        from app.messages as a
        where a.category = k.category
            and a.accepted_at > k.swept_to
            and a.accepted_at < k.due_to
        order by a.accepted_at
        -- All of one instant or none: the mark is an instant.
        fetch first %(limit)s rows with ties
    ) as m
),

marked as (
    update ops.expiry_marks as k
    set swept_to = case when seen.rows < %(limit)s then seen.due_to else seen.last_at end
    from (
        select
            marks.category, marks.ttl_seconds, marks.due_to, count(l.message_id) as rows,
            max(l.accepted_at) as last_at
        from marks
        left join looked as l
            on marks.category = l.category
            and marks.ttl_seconds = l.ttl_seconds
        group by marks.category, marks.ttl_seconds, marks.due_to
    ) as seen
    where k.category = seen.category
        and k.ttl_seconds = seen.ttl_seconds
    returning seen.rows >= %(limit)s as is_full
),

locked as materialized (
    select m.tenant_id, m.message_id
    from (
        select l.tenant_id, l.message_id
        from looked as l
        left join app.templates as t
            on l.tenant_id = t.tenant_id
            and l.template_id = t.template_id
        where l.state in ('accepted', 'sent')
            and l.accepted_at < now() - make_interval(
                secs => case
                    when t.message_send_ttl_seconds = -1 then 2592000
                    else coalesce(
                        t.message_send_ttl_seconds,
                        (%(ttl_seconds)s::integer[])[
                            array_position(%(categories)s::text[], l.category)
                        ]
                    )
                end + %(buffer_seconds)s
            )
        group by l.tenant_id, l.message_id
    ) as overdue
    inner join app.messages as m
        on overdue.tenant_id = m.tenant_id
        and overdue.message_id = m.message_id
    -- A webhook may have spoken since. Who speaks now is waited for: the mark goes on.
    where m.state in ('accepted', 'sent')
    order by m.message_id
    for update of m
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
    (select count(*) from expired) as expired,
    coalesce((select bool_or(is_full) from marked), false) as is_more

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
