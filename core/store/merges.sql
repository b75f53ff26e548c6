-- lock_merges --
-- One transaction at a time merges people of a tenant, and none while a piece of a plan is written.
select pg_advisory_xact_lock(hashtextextended('carteiro.merges.' || %(tenant_id)s::text, 0))

-- bar_merges --
-- Keeps people of a tenant from being merged until the transaction ends; many may at once.
select pg_advisory_xact_lock_shared(hashtextextended('carteiro.merges.' || %(tenant_id)s::text, 0))

-- list_messages --
-- Messages of people, to be locked with others in the one order that workers and appliers share.
select m.tenant_id, m.message_id
from app.messages as m
where m.tenant_id = any(%(tenant_ids)s::uuid[])
    and m.contact_id = any(%(contact_ids)s::uuid[])

-- lock_contacts --
-- Locks people's rows in the order of their ids; those that were merged before are not there.
select c.contact_id, c.address
from app.contacts as c
where c.tenant_id = any(%(tenant_ids)s::uuid[])
    and c.contact_id = any(%(contact_ids)s::uuid[])
    and c.merged_into is null
order by c.contact_id
for update

-- hold_contacts --
-- Keeps people from being merged until the transaction ends; into whom they were merged before.
select c.contact_id, c.merged_into
from app.contacts as c
where c.tenant_id = any(%(tenant_ids)s::uuid[])
    and c.contact_id = any(%(contact_ids)s::uuid[])
order by c.contact_id
for key share

-- list_stricter --
-- What the ledger must say of the kept row: withdrawn if either withdrew, else what either agreed.
select
    gone.purpose,
    gone.granted,
    gone.consent_id,
    greatest(gone.occurred_at, coalesce(kept.occurred_at, gone.occurred_at)) as occurred_at
from app.consent_states as gone
left join app.consent_states as kept
    on gone.tenant_id = kept.tenant_id
    and gone.purpose = kept.purpose
    and kept.contact_id = %(kept)s
where gone.tenant_id = %(tenant_id)s
    and gone.contact_id = %(merged)s
    and (kept.contact_id is null or (kept.granted and not gone.granted))

-- cancel_doubles --
-- Takes back what still waits for a person in campaigns that have them twice; with events.
with doubled as (
    select m.tenant_id, m.message_id
    from app.messages as m
    inner join app.messages as other
        on m.tenant_id = other.tenant_id
        and m.campaign_id = other.campaign_id
    where m.tenant_id = %(tenant_id)s
        and m.state = 'queued'
        and other.state not in ('excluded', 'cancelled')
        and (
            (m.contact_id = %(merged)s and other.contact_id = %(kept)s)
            -- The merged row's message has left already: the kept one's must not follow.
            or (
                m.contact_id = %(kept)s
                and other.contact_id = %(merged)s
                and other.state <> 'queued'
            )
        )
),

cancelled as (
    update app.messages as m
    set
        state = 'cancelled',
        reason = 'same_person',
        state_changed_at = now()
    from doubled as d
    where m.tenant_id = d.tenant_id
        and m.message_id = d.message_id
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

-- forget_marks --
-- A plan in the making that left one of two rows out beside the other is made anew: the row that it
-- counts on may be the one that goes.
with marked as (
    select distinct mark.campaign_id
    from app.plan_marks as mark
    where mark.tenant_id = %(tenant_id)s
        and mark.contact_id in (%(kept)s, %(merged)s)
        and mark.exclusion_reason = 'duplicate'
),

marks as (
    delete from app.plan_marks as mark
    using marked as m
    where mark.tenant_id = %(tenant_id)s
        and mark.campaign_id = m.campaign_id
)

delete from app.plan_runs as r
using marked as m
where r.tenant_id = %(tenant_id)s
    and r.campaign_id = m.campaign_id

-- move_recipients --
-- Campaigns that decided to send to the merged row only know the person by the kept one: a plan in
-- the making decides about them no more. Whom it left out it may still decide about.
update app.campaign_recipients as r
set contact_id = %(kept)s
where r.tenant_id = %(tenant_id)s
    and r.contact_id = %(merged)s
    and not exists (
        select 1
        from app.campaign_recipients as other
        where other.tenant_id = r.tenant_id
            and other.campaign_id = r.campaign_id
            and other.contact_id = %(kept)s
    )
    and exists (
        select 1
        from app.messages as m
        where m.tenant_id = r.tenant_id
            and m.message_id = r.message_id
            and m.state <> 'excluded'
    )

-- move_messages --
-- The merged row's messages are the kept one's; what still waits goes to the kept address.
update app.messages as m
set
    contact_id = %(kept)s,
    address = case when m.state = 'queued' then %(address)s else m.address end
where m.tenant_id = %(tenant_id)s
    and m.contact_id = %(merged)s

-- move_identities --
-- Every address of the merged row leads to the kept one.
update app.contact_identities
set contact_id = %(kept)s
where tenant_id = %(tenant_id)s
    and contact_id = %(merged)s

-- move_inbound --
-- What the person wrote under either row is theirs.
update app.inbound_messages
set contact_id = %(kept)s
where tenant_id = %(tenant_id)s
    and contact_id = %(merged)s

-- move_members --
-- Lists that had the merged row have the kept one.
with moved as (
    delete from app.list_members
    where tenant_id = %(tenant_id)s
        and contact_id = %(merged)s
    returning tenant_id, list_id, added_at
)

insert into app.list_members (tenant_id, list_id, contact_id, added_at)
select m.tenant_id, m.list_id, %(kept)s, m.added_at
from moved as m
on conflict (tenant_id, list_id, contact_id) do nothing

-- move_suppression --
-- The longer suppression holds; null is for ever.
with moved as (
    delete from app.suppressions
    where tenant_id = %(tenant_id)s
        and contact_id = %(merged)s
    returning *
)

insert into app.suppressions as s (
    tenant_id, contact_id, reason, error_code, suppressed_at, until, marketing_until, needs_phone,
    added_by, note
)
select
    m.tenant_id, %(kept)s, m.reason, m.error_code, m.suppressed_at, m.until, m.marketing_until,
    m.needs_phone, m.added_by, m.note
from moved as m
on conflict (tenant_id, contact_id) do update
set
    until = case
        when s.until is null or excluded.until is null then null
        else greatest(s.until, excluded.until)
    end,
    marketing_until = greatest(s.marketing_until, excluded.marketing_until),
    needs_phone = s.needs_phone or excluded.needs_phone,
    -- The reason is that of the longer one.
    reason = case
        when s.until < coalesce(excluded.until, 'infinity') then excluded.reason
        else s.reason
    end,
    error_code = case
        when s.until < coalesce(excluded.until, 'infinity') then excluded.error_code
        else s.error_code
    end,
    added_by = case
        when s.until < coalesce(excluded.until, 'infinity') then excluded.added_by
        else s.added_by
    end,
    note = case
        when s.until < coalesce(excluded.until, 'infinity') then excluded.note
        else s.note
    end

-- move_windows --
-- The later window of the two holds.
with moved as (
    delete from app.service_windows
    where tenant_id = %(tenant_id)s
        and contact_id = %(merged)s
    returning *
)

insert into app.service_windows as w (
    tenant_id, phone_number_id, contact_id, opened_at, expires_at, referral_at, free_entry_until
)
select
    m.tenant_id, m.phone_number_id, %(kept)s, m.opened_at, m.expires_at, m.referral_at,
    m.free_entry_until
from moved as m
on conflict (tenant_id, phone_number_id, contact_id) do update
set
    opened_at = greatest(w.opened_at, excluded.opened_at),
    expires_at = greatest(w.expires_at, excluded.expires_at),
    referral_at = greatest(w.referral_at, excluded.referral_at),
    free_entry_until = greatest(w.free_entry_until, excluded.free_entry_until)

-- move_waits --
-- The longer wait of the two holds.
with moved as (
    delete from app.pair_waits
    where tenant_id = %(tenant_id)s
        and contact_id = %(merged)s
    returning tenant_id, phone_number_id, step, until
)

insert into app.pair_waits as w (tenant_id, phone_number_id, contact_id, step, until)
select m.tenant_id, m.phone_number_id, %(kept)s, m.step, m.until
from moved as m
on conflict (tenant_id, phone_number_id, contact_id) do update
set
    step = greatest(w.step, excluded.step),
    until = greatest(w.until, excluded.until)

-- move_reach --
-- One person counts once against a portfolio's limit, from when they were last reached.
with moved as (
    delete from app.portfolio_reach
    where tenant_id = %(tenant_id)s
        and contact_id = %(merged)s
    returning tenant_id, portfolio_id, reached_at
)

insert into app.portfolio_reach as r (tenant_id, portfolio_id, contact_id, reached_at)
select m.tenant_id, m.portfolio_id, %(kept)s, m.reached_at
from moved as m
on conflict (tenant_id, portfolio_id, contact_id) do update
set reached_at = greatest(r.reached_at, excluded.reached_at)

-- close_contact --
-- The merged row leads on to the kept one and is shown no more.
update app.contacts
set
    merged_into = %(kept)s,
    erased_at = now(),
    updated_at = now()
where tenant_id = %(tenant_id)s
    and contact_id = %(merged)s

-- insert_merge --
-- The audit of a merge.
insert into app.contact_merges (
    tenant_id, merge_id, kept_contact_id, merged_contact_id, reason, cancelled_messages
)
values (%(tenant_id)s, %(merge_id)s, %(kept)s, %(merged)s, %(reason)s, %(cancelled)s)
