-- insert_campaign --
-- A campaign in draft, if its number, template and list are the tenant's and fit each other.
insert into app.campaigns (
    tenant_id, campaign_id, name, phone_number_id, template_id, list_id, parameters, scheduled_at,
    experiment, canary, created_by
)
values (
    %(tenant_id)s, %(campaign_id)s, %(name)s, %(phone_number_id)s, %(template_id)s, %(list_id)s,
    %(parameters)s::jsonb, %(scheduled_at)s, %(experiment)s::jsonb, %(canary)s::jsonb,
    %(created_by)s
)

-- get_campaign --
-- One campaign as stored.
select
    c.campaign_id,
    c.name,
    c.phone_number_id,
    c.template_id,
    c.list_id,
    c.parameters,
    c.experiment,
    c.canary,
    c.status,
    c.status_reason,
    c.category,
    c.template_version_hash,
    c.plan,
    c.plan_hash,
    c.planned_at,
    c.plan_requested_by,
    (
        select jsonb_build_object(
            'decided', coalesce(sum(k.decided), 0), 'audience', sum(k.people)
        )
        from app.plan_chunks as k
        where k.tenant_id = c.tenant_id and k.campaign_id = c.campaign_id
        having count(*) > 0
    ) as plan_progress,
    c.approved_at,
    c.approved_by,
    c.scheduled_at,
    c.launched_at,
    c.paused_at,
    c.cancelled_at,
    c.finished_at,
    c.created_by,
    c.created_at
from app.campaigns as c
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s

-- list_campaigns --
-- The tenant's campaigns, newest first, without their plans.
select
    c.campaign_id,
    c.name,
    c.phone_number_id,
    c.template_id,
    c.list_id,
    c.status,
    c.status_reason,
    c.category,
    c.scheduled_at,
    c.launched_at,
    c.finished_at,
    c.created_by,
    c.created_at
from app.campaigns as c
where c.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or c.campaign_id < %(after)s::uuid)
    and (%(status)s::text is null or c.status = %(status)s::text)
order by c.campaign_id desc
limit %(limit)s

-- request_plan --
-- Asks the planner for a new plan; what an earlier plan pinned is forgotten.
update app.campaigns
set
    status = 'planning',
    status_reason = null,
    plan = null,
    plan_hash = null,
    planned_at = null,
    plan_requested_by = %(requested_by)s,
    plan_dry_run = %(dry_run)s
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status in ('draft', 'planned', 'plan_failed')
returning campaign_id

-- approve_campaign --
-- Approves exactly the plan that was read; with four eyes, not by who asked for it.
update app.campaigns as c
set status = 'approved', approved_at = now(), approved_by = %(approved_by)s
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.status = 'planned'
    and c.plan_hash = %(plan_hash)s
    and not exists (
        select 1
        from app.tenants as t
        where t.tenant_id = c.tenant_id
            and t.four_eyes
            and c.plan_requested_by is not distinct from %(approved_by)s
    )
returning c.campaign_id

-- launch_campaign --
-- Lets the rows of an approved campaign be claimed.
update app.campaigns
set
    status = 'running',
    launched_at = now(),
    -- A canary begins with its first wave; its gates release the others.
    released_wave = case when canary is null then 0 else 1 end,
    wave_released_at = now()
where tenant_id = %(tenant_id)s and campaign_id = %(campaign_id)s and status = 'approved'
returning campaign_id

-- pause_campaign --
-- From the commit of this statement on nothing of the campaign is claimed.
update app.campaigns
set status = 'paused', status_reason = %(reason)s, paused_at = now()
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status = 'running'
    and finished_at is null
returning campaign_id

-- resume_campaign --
-- Lets the remaining rows be claimed again.
update app.campaigns
set status = 'running', status_reason = null, paused_at = null
where tenant_id = %(tenant_id)s and campaign_id = %(campaign_id)s and status = 'paused'
returning campaign_id

-- cancel_campaign --
-- Ends a campaign for ever; also answers for one that was cancelled before.
update app.campaigns
set
    status = 'cancelled',
    status_reason = %(reason)s,
    cancelled_at = coalesce(cancelled_at, now())
where tenant_id = %(tenant_id)s and campaign_id = %(campaign_id)s and finished_at is null
returning campaign_id

-- cancel_unclaimed_messages --
-- Cancels one batch of rows that no worker has taken, each with its event; returns how many.
with batch as (
    select m.tenant_id, m.message_id
    from app.messages as m
    where m.tenant_id = %(tenant_id)s
        and m.campaign_id = %(campaign_id)s
        and m.state = 'queued'
    order by m.message_id
    limit %(batch_size)s
    for update
),

cancelled as (
    update app.messages as m
    set state = 'cancelled', reason = 'campaign_cancelled', state_changed_at = now()
    from batch as b
    where m.tenant_id = %(tenant_id)s
        and m.tenant_id = b.tenant_id
        and m.message_id = b.message_id
        and m.state = 'queued'
    returning
        m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id,
        m.phone_number_id, m.category, m.country, m.market, m.reason, m.attempt_no,
        m.state_changed_at
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, attempt_no, occurred_at
    )
    select
        c.tenant_id, c.message_id, c.campaign_id, c.contact_pseudonym, c.waba_id,
        c.phone_number_id, 'cancelled', c.category, c.country, c.market, c.reason, c.attempt_no,
        c.state_changed_at
    from cancelled as c
)

select count(*) as cancelled
from cancelled

-- count_states --
-- Messages of a campaign by state and reason: the terms of the conservation sum.
select s.state, s.exclusion_reason, s.error_code, s.reason, s.messages
from app.campaign_state_counts as s
where s.tenant_id = %(tenant_id)s and s.campaign_id = %(campaign_id)s

-- count_recipients --
-- People the plan has decided about: counted apart from their messages, to be compared with them.
select count(*) as planned
from app.campaign_recipients as r
where r.tenant_id = %(tenant_id)s and r.campaign_id = %(campaign_id)s

-- count_acceptances --
-- Messages of a campaign that Meta took, whatever came of them, and those of the last minute.
select
    count(*) as accepted,
    count(*) filter (where m.accepted_at > now() - interval '60 seconds') as recent
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.accepted_at is not null

-- get_campaign_parts --
-- What a new campaign refers to, as far as the tenant has it.
select
    (
        select n.waba_id
        from app.phone_numbers as n
        where n.tenant_id = %(tenant_id)s and n.phone_number_id = %(phone_number_id)s
    ) as number_waba_id,
    (
        select t.waba_id
        from app.templates as t
        where t.tenant_id = %(tenant_id)s and t.template_id = %(template_id)s
    ) as template_waba_id,
    (
        select count(*)
        from app.templates as t
        where t.tenant_id = %(tenant_id)s
            and t.template_id = any(%(variant_template_ids)s::uuid[])
            and t.waba_id = (
                select n.waba_id
                from app.phone_numbers as n
                where n.tenant_id = %(tenant_id)s and n.phone_number_id = %(phone_number_id)s
            )
    ) as variant_templates,
    exists (
        select 1
        from app.lists as l
        where l.tenant_id = %(tenant_id)s and l.list_id = %(list_id)s
    ) as list_known

-- get_campaign_status --
-- Whether the tenant has a campaign, and where it is.
select c.status
from app.campaigns as c
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s
