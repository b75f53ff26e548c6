-- count_redrivable --
-- What a re-drive with this filter would try again, by error and reason.
select
    m.state,
    m.error_code,
    m.reason,
    count(*) as messages
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.work = 'unreached'
    and app.is_redrivable(
        m.state, m.error_code, m.reason, m.state_changed_at,
        %(states)s::text[], %(error_codes)s::integer[], %(reasons)s::text[],
        %(changed_after)s::timestamptz, %(changed_before)s::timestamptz,
        %(include_unconfirmed)s::boolean
    )
group by m.state, m.error_code, m.reason
order by messages desc, m.error_code, m.reason

-- insert_redrive --
-- Asks the settler to try a campaign's failures again; nothing for a cancelled campaign.
insert into app.redrives (
    tenant_id, redrive_id, campaign_id, states, error_codes, reasons, changed_after,
    changed_before, include_unconfirmed, matching, requested_by
)
select
    c.tenant_id, %(redrive_id)s, c.campaign_id, %(states)s, %(error_codes)s::integer[],
    %(reasons)s::text[], %(changed_after)s::timestamptz, %(changed_before)s::timestamptz,
    %(include_unconfirmed)s, %(matching)s, %(requested_by)s
from app.campaigns as c
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.status in ('running', 'paused')

-- get_redrive --
-- One re-drive with its progress.
select
    r.redrive_id,
    r.campaign_id,
    r.states,
    r.error_codes,
    r.reasons,
    r.changed_after,
    r.changed_before,
    r.include_unconfirmed,
    r.matching,
    r.redriven,
    case
        when r.finished_at is not null then 'finished'
        when r.redriven > 0 then 'running'
        else 'queued'
    end as state,
    r.requested_by,
    r.requested_at,
    r.finished_at
from app.redrives as r
where r.tenant_id = %(tenant_id)s
    and r.campaign_id = %(campaign_id)s
    and r.redrive_id = %(redrive_id)s

-- list_redrives --
-- The re-drives of a campaign, newest first.
select
    r.redrive_id,
    r.campaign_id,
    r.states,
    r.error_codes,
    r.reasons,
    r.changed_after,
    r.changed_before,
    r.include_unconfirmed,
    r.matching,
    r.redriven,
    case
        when r.finished_at is not null then 'finished'
        when r.redriven > 0 then 'running'
        else 'queued'
    end as state,
    r.requested_by,
    r.requested_at,
    r.finished_at
from app.redrives as r
where r.tenant_id = %(tenant_id)s
    and r.campaign_id = %(campaign_id)s
    and (%(after)s::uuid is null or r.redrive_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or r.requested_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or r.requested_at < %(created_to)s)
    and (
        %(state)s::text is null
        or %(state)s::text = case
            when r.finished_at is not null then 'finished'
            when r.redriven > 0 then 'running'
            else 'queued'
        end
    )
order by r.redrive_id desc
limit %(limit)s

-- take_redrive --
-- The oldest re-drive that is not finished; a second settler takes the next one.
-- cross-tenant: one settler serves every tenant
select
    r.tenant_id,
    r.redrive_id
from app.redrives as r
where r.finished_at is null
order by r.requested_at
limit 1
for update skip locked

-- redrive_batch --
-- Puts some failures of a re-drive back into the queue, each with its event. Only what had failed
-- when it was asked for: what fails again is not tried for ever.
with batch as materialized (
    select m.tenant_id, m.message_id
    from app.redrives as r
    inner join app.campaigns as c
        on r.tenant_id = c.tenant_id
        and r.campaign_id = c.campaign_id
    inner join app.messages as m
        on r.tenant_id = m.tenant_id
        and r.campaign_id = m.campaign_id
    where r.tenant_id = %(tenant_id)s
        and r.redrive_id = %(redrive_id)s
        -- Cancelled since it was asked for: what failed has failed.
        and c.status in ('running', 'paused')
        and m.work = 'unreached'
        -- Whom the message reached after all keeps it.
        and m.delivered_at is null
        and m.state_changed_at <= r.requested_at
        and app.is_redrivable(
            m.state, m.error_code, m.reason, m.state_changed_at, r.states, r.error_codes,
            r.reasons, r.changed_after, r.changed_before, r.include_unconfirmed
        )
    order by m.message_id
    limit %(limit)s
    for update of m
),

-- Also one that is not finished: whoever would finish it now waits for this row.
reopened as (
    update app.campaigns as c
    set finished_at = null
    from app.redrives as r
    where r.tenant_id = %(tenant_id)s
        and r.redrive_id = %(redrive_id)s
        and c.tenant_id = r.tenant_id
        and c.campaign_id = r.campaign_id
        and exists (select 1 from batch)
),

queued as (
    update app.messages as m
    set
        state = 'queued',
        reason = null,
        error_code = null,
        conflict = null,
        wamid = null,
        throttle_count = 0,
        -- Meta asks for 24 hours before the same person is tried again after 131049.
        not_before = case
            when m.error_code = 131049 then m.state_changed_at + interval '24 hours'
        end,
        expires_at = case when m.expires_at > now() then m.expires_at end,
        accepted_at = null,
        sent_at = null,
        failed_at = null,
        state_changed_at = now()
    from batch as b
    where m.tenant_id = b.tenant_id
        and m.message_id = b.message_id
    returning
        m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id,
        m.phone_number_id, m.category, m.country, m.market, m.attempt_no
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, attempt_no, occurred_at
    )
    select
        q.tenant_id, q.message_id, q.campaign_id, q.contact_pseudonym, q.waba_id,
        q.phone_number_id, 'redriven', q.category, q.country, q.market, q.attempt_no, now()
    from queued as q
)

select
    (select count(*) from batch) as found,
    (select count(*) from queued) as redriven

-- advance_redrive --
-- Adds a batch to a re-drive's progress; the last one ends it.
update app.redrives
set
    redriven = redriven + %(redriven)s,
    finished_at = case when %(finished)s::boolean then now() end
where tenant_id = %(tenant_id)s
    and redrive_id = %(redrive_id)s
