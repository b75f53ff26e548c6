-- insert_campaign --
-- A campaign in draft, if its number, template and list are the tenant's and fit each other.
insert into app.campaigns (
    tenant_id, campaign_id, name, phone_number_id, template_id, list_id, parameters, scheduled_at,
    local_delivery, max_lateness_seconds, experiment, canary, created_by
)
values (
    %(tenant_id)s, %(campaign_id)s, %(name)s, %(phone_number_id)s, %(template_id)s, %(list_id)s,
    %(parameters)s::jsonb, %(scheduled_at)s, %(local_delivery)s, %(max_lateness_seconds)s,
    %(experiment)s::jsonb, %(canary)s::jsonb,
    %(created_by)s
)

-- lock_campaign --
-- Holds a campaign for a change.
select c.campaign_id
from app.campaigns as c
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s
for no key update

-- get_campaign --
-- One campaign as stored.
select
    c.campaign_id,
    c.name,
    c.phone_number_id,
    c.template_id,
    c.list_id,
    (
        select l.segment_id
        from app.lists as l
        where l.tenant_id = c.tenant_id and l.list_id = c.list_id
    ) as segment_id,
    c.parameters,
    c.experiment,
    c.canary,
    c.status,
    shown.state,
    c.status_reason,
    c.category,
    c.series_id,
    c.local_delivery,
    c.max_lateness_seconds / 60 as max_lateness_minutes,
    c.template_version_hash,
    c.plan,
    c.plan_hash,
    c.plan_stale_reason,
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
inner join app.campaign_states as shown
    on c.tenant_id = shown.tenant_id
    and c.campaign_id = shown.campaign_id
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s

-- list_campaigns --
-- The tenant's campaigns, newest first, without their plans.
select
    c.campaign_id,
    c.name,
    c.phone_number_id,
    c.template_id,
    c.list_id,
    (
        select l.segment_id
        from app.lists as l
        where l.tenant_id = c.tenant_id and l.list_id = c.list_id
    ) as segment_id,
    c.status,
    shown.state,
    c.status_reason,
    c.category,
    c.series_id,
    c.local_delivery,
    c.max_lateness_seconds / 60 as max_lateness_minutes,
    c.scheduled_at,
    c.launched_at,
    c.finished_at,
    c.created_by,
    c.created_at
from app.campaigns as c
inner join app.campaign_states as shown
    on c.tenant_id = shown.tenant_id
    and c.campaign_id = shown.campaign_id
where c.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or c.campaign_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or c.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or c.created_at < %(created_to)s)
    and (%(state)s::text is null or shown.state = %(state)s::text)
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
    plan_dry_run = %(dry_run)s,
    plan_stale_reason = null,
    paused_from = null,
    paused_at = null
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and (
        status in ('draft', 'planned', 'plan_failed')
        -- Nothing of it has gone out: a new plan may replace the old one.
        or (status = 'paused' and launched_at is null)
    )
returning campaign_id

-- approve_campaign --
-- Approves exactly the plan that was read; with four eyes, by another person than who asked.
update app.campaigns as c
set status = 'approved', approved_at = now(), approved_by = %(approved_by)s
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.status = 'planned'
    and c.plan_hash = %(plan_hash)s
    and c.plan_stale_reason is null
    and not exists (
        select 1
        from app.tenants as t
        where t.tenant_id = c.tenant_id
            and t.four_eyes
            and app.person_behind(c.tenant_id, c.plan_requested_by)
            is not distinct from %(person)s
    )
returning c.campaign_id

-- launch_campaign --
-- Lets the rows of an approved campaign be claimed; one with a time to come starts by itself.
update app.campaigns
set
    status = 'running',
    launched_at = now(),
    request_id = coalesce(app.current_request_id(), request_id),
    -- A canary begins with its first wave; its gates release the others.
    released_wave = case when canary is null then 0 else 1 end,
    wave_released_at = now()
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status = 'approved'
    and plan_stale_reason is null
    and (scheduled_at is null or scheduled_at <= now())
returning campaign_id

-- pause_campaign --
-- From the commit of this statement on nothing of the campaign is claimed, planned or started.
update app.campaigns
set
    paused_from = status,
    status = 'paused',
    status_reason = %(reason)s,
    paused_at = now()
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status in ('planning', 'planned', 'approved', 'running')
    and finished_at is null
returning campaign_id

-- resume_campaign --
-- Goes back to where the pause began, if the template still is the one planned, or is accepted.
-- Who resumes a campaign after its time wants it to start.
update app.campaigns as c
set
    status = case
        when c.launched_at is not null then 'running'
        when coalesce(c.paused_from, 'approved') <> 'approved' then c.paused_from
        when c.scheduled_at <= now() then 'running'
        else 'approved'
    end,
    launched_at = case
        when c.launched_at is null
            and coalesce(c.paused_from, 'approved') = 'approved'
            and c.scheduled_at <= now()
            then now()
        else c.launched_at
    end,
    -- A canary that starts by this begins with its first wave.
    released_wave = case
        when c.launched_at is null and c.canary is not null then 1 else c.released_wave
    end,
    wave_released_at = case
        when c.launched_at is null then now() else c.wave_released_at
    end,
    template_version_hash = case
        when c.template_version_hash is not null then t.version_hash
    end,
    plan_stale_reason = null,
    status_reason = null,
    paused_from = null,
    paused_at = null,
    resumed_at = now()
from app.templates as t
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.status = 'paused'
    and c.tenant_id = t.tenant_id
    and c.template_id = t.template_id
    and (
        c.template_version_hash is null
        or (
            t.category = c.category
            and (
                t.version_hash = c.template_version_hash
                -- Before the launch it would start what nobody has approved.
                or (
                    c.launched_at is not null
                    and t.version_hash = %(accepted_version_hash)s::text
                )
            )
        )
        -- Paused before its plan was there: that one is made of the template as it is then.
        or c.paused_from = 'planning'
    )
returning c.campaign_id

-- accept_arm_version --
-- Lets the stopped arms of a running campaign go on whose template has this version now, and the
-- category it was planned with.
with arms as (
    select
        c.campaign_id,
        jsonb_object_agg(arm ->> 'name', t.version_hash) as versions
    from app.campaigns as c
    cross join jsonb_path_query(c.experiment, 'lax $.variants[*]') as arm
    inner join app.templates as t
        on c.tenant_id = t.tenant_id
        and coalesce((arm ->> 'template_id')::uuid, c.template_id) = t.template_id
    where c.tenant_id = %(tenant_id)s
        and c.campaign_id = %(campaign_id)s
        and t.version_hash = %(accepted_version_hash)s::text
        and t.category = c.category
    group by c.campaign_id
)

update app.campaigns as c
set variant_hashes = coalesce(c.variant_hashes, '{}'::jsonb) || a.versions
from arms as a
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = a.campaign_id
    and c.status = 'running'
    and c.finished_at is null
returning c.campaign_id

-- get_template_change --
-- A campaign's template now, and whether it still is what was planned.
select
    t.version_hash,
    t.category,
    c.template_version_hash is null
    or (t.version_hash = c.template_version_hash and t.category = c.category) as is_planned
from app.campaigns as c
inner join app.templates as t
    on c.tenant_id = t.tenant_id
    and c.template_id = t.template_id
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s

-- reschedule_campaign --
-- Changes when a campaign that was never launched starts. Where the plan has written each
-- person's own time, it is no plan any more.
update app.campaigns as c
set
    name = %(name)s,
    scheduled_at = %(scheduled_at)s,
    local_delivery = %(local_delivery)s,
    max_lateness_seconds = %(max_lateness_seconds)s,
    status = case when %(replan)s and c.planned_at is not null then 'draft' else c.status end,
    planned_at = case when %(replan)s then null else c.planned_at end,
    plan = case when %(replan)s then null else c.plan end,
    plan_hash = case when %(replan)s then null else c.plan_hash end,
    approved_at = case when %(replan)s then null else c.approved_at end,
    approved_by = case when %(replan)s then null else c.approved_by end,
    paused_from = case when %(replan)s then null else c.paused_from end
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.launched_at is null
    and c.status <> 'cancelled'
    -- A plan under way has read the old time.
    and (not %(replan)s or c.status <> 'planning')
    -- What was read to decide on the new values is still so.
    and c.local_delivery = %(was_local)s
    and c.scheduled_at is not distinct from %(was_scheduled_at)s::timestamptz
returning c.campaign_id

-- cancel_campaign --
-- Ends a campaign for ever, whatever it was doing; also answers for one cancelled before.
update app.campaigns
set
    status = 'cancelled',
    status_reason = case when status = 'cancelled' then status_reason else %(reason)s end,
    cancelled_at = coalesce(cancelled_at, now())
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and (finished_at is null or status = 'cancelled')
returning campaign_id

-- cancel_unclaimed_messages --
-- Cancels one batch of rows that no worker has taken, each with its event; returns how many.
with batch as (
    select m.tenant_id, m.message_id
    from app.messages as m
    where m.tenant_id = %(tenant_id)s
        and m.campaign_id = %(campaign_id)s
        and m.work = 'due'
    order by m.message_id
    limit %(batch_size)s
    for update skip locked
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

-- count_unclaimed_messages --
-- Rows that no worker has taken: an index-only count.
select count(*) as messages
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.work = 'due'

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

-- count_doubts --
-- What nobody can be sure of: who may have got a message we count as not sent, and who may get, or
-- may have got, two.
select
    count(*) filter (where m.reason = 'unconfirmed') as closed_unconfirmed,
    count(*) filter (where m.state = 'in_doubt') as in_doubt,
    min(m.in_doubt_since) filter (where m.state = 'in_doubt') as in_doubt_since,
    count(*) filter (
        where m.attempt_no > 1
            and exists (
                select 1
                from app.message_attempts as a
                where a.tenant_id = m.tenant_id
                    and a.message_id = m.message_id
                    and a.attempt_no < m.attempt_no
                    and a.outcome in ('in_doubt', 'lease_expired')
            )
    ) as repeated
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and (m.attempt_no > 1 or m.reason = 'unconfirmed' or m.state = 'in_doubt')

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
        where l.tenant_id = %(tenant_id)s
            and l.list_id = %(list_id)s
            -- The list of a campaign to a segment is that campaign's alone.
            and l.segment_id is null
    ) as list_known

-- get_campaign_status --
-- Whether the tenant has a campaign, and where it is.
select c.status
from app.campaigns as c
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s

-- get_stops --
-- What holds a whole campaign back now, and until when where that is known.
select
    tenant.status <> 'active' as tenant_suspended,
    c.status = 'paused' as paused,
    c.status_reason,
    c.status = 'approved' and c.scheduled_at is null as not_launched,
    case
        when c.status = 'approved' and c.scheduled_at > now() then c.scheduled_at
        when c.status = 'running' and not c.local_delivery and c.scheduled_at > now()
            then c.scheduled_at
    end as scheduled_until,
    case when number.paused_until > now() then number.paused_until end as number_paused_until,
    account.blocked_reason is not null as account_blocked,
    app.switch_in_force(c.tenant_id, c.campaign_id, c.phone_number_id) as switch_scope
from app.campaigns as c
inner join app.tenants as tenant on c.tenant_id = tenant.tenant_id
inner join app.phone_numbers as number
    on c.tenant_id = number.tenant_id
    and c.phone_number_id = number.phone_number_id
inner join app.whatsapp_accounts as account
    on number.tenant_id = account.tenant_id
    and number.waba_id = account.waba_id
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s

-- count_waiting --
-- Why the queued messages of a campaign wait, of the first 100,000; each has one reason.
with waiting as (
    select
        m.country,
        m.category,
        m.recipient_timezone,
        m.wave > c.released_wave as is_unreleased,
        m.not_before > now() as is_later,
        m.throttle_count > 0 as is_throttled,
        m.attempt_no = 0 and c.local_delivery as is_local,
        m.not_before,
        t.halted_reason is not null as is_halted,
        not app.is_as_planned(
            c.template_version_hash, c.category, c.variant_hashes, m.variant, t.version_hash,
            t.category
        ) as is_changed
    from app.campaigns as c
    inner join app.messages as m
        on c.tenant_id = m.tenant_id
        and c.campaign_id = m.campaign_id
        and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
    left join app.templates as t
        on m.tenant_id = t.tenant_id
        and m.template_id = t.template_id
    where c.tenant_id = %(tenant_id)s
        and c.campaign_id = %(campaign_id)s
        and m.work = 'due'
    limit 100000
),

kinds as (
    select
        w.is_unreleased,
        w.is_later,
        w.is_throttled,
        w.is_local,
        w.is_halted,
        w.is_changed,
        app.quiet_until(
            %(tenant_id)s, w.country, w.category, w.recipient_timezone, now()
        ) as quiet_until,
        min(w.not_before) filter (where w.not_before > now()) as due_at,
        count(*) as messages
    from waiting as w
    group by
        w.country, w.category, w.recipient_timezone, w.is_unreleased, w.is_later, w.is_throttled,
        w.is_local, w.is_halted, w.is_changed
),

portfolio as (
    select exists (
        select 1
        from app.campaigns as c
        inner join app.phone_numbers as number
            on c.tenant_id = number.tenant_id
            and c.phone_number_id = number.phone_number_id
        inner join app.whatsapp_accounts as account
            on number.tenant_id = account.tenant_id
            and number.waba_id = account.waba_id
        -- One count for plan, pacer, claim and this.
        inner join lateral app.portfolio_usage(account.portfolio_id) as usage
            on usage.used >= usage.people_per_day
        where c.tenant_id = %(tenant_id)s
            and c.campaign_id = %(campaign_id)s
    ) as is_full
)

select
    case
        when k.is_halted then 'template_halted'
        when k.is_changed then 'template_changed'
        when k.is_unreleased then 'wave_not_released'
        when k.quiet_until is not null then 'quiet_hours'
        when portfolio.is_full then 'portfolio_limit'
        when not coalesce(k.is_later, false) then 'its_turn'
        when k.is_throttled then 'throttled'
        when k.is_local then 'local_delivery'
        else 'retry_later'
    end as reason,
    sum(k.messages)::bigint as messages,
    min(coalesce(k.quiet_until, k.due_at)) as until
from kinds as k
cross join portfolio
group by reason
order by messages desc, reason
