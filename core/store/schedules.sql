-- mark_changed_templates --
-- Campaigns whose template is another than the one planned: no longer sent, nor approved, as is.
-- cross-tenant: one scheduler serves every tenant
update app.campaigns as c
set
    plan_stale_reason = 'template_changed',
    paused_from = case
        when c.status in ('approved', 'running') then c.status else c.paused_from
    end,
    paused_at = case when c.status in ('approved', 'running') then now() else c.paused_at end,
    status_reason = case
        when c.status in ('approved', 'running') then 'template_changed' else c.status_reason
    end,
    status = case when c.status in ('approved', 'running') then 'paused' else c.status end
from app.templates as t
where c.tenant_id = t.tenant_id
    and c.template_id = t.template_id
    and c.status in ('planned', 'approved', 'running', 'paused')
    and c.finished_at is null
    and c.plan_stale_reason is null
    and c.template_version_hash is not null
    and (
        (
            (c.template_version_hash <> t.version_hash or c.category <> t.category)
            -- Launched with arms of other templates, only those that use this one stop: the claim
            -- refuses them.
            and (
                c.launched_at is null or not app.has_own_arms(c.experiment, c.template_id)
            )
        )
        -- An arm's own template.
        or (
            c.launched_at is null
            and exists (
                select 1
                from jsonb_path_query(c.experiment, 'lax $.variants[*]') as arm
                inner join jsonb_path_query(c.plan, 'lax $.variants[*]') as planned
                    on arm ->> 'name' = planned ->> 'name'
                inner join app.templates as v
                    on c.tenant_id = v.tenant_id
                    and arm ->> 'template_id' = v.template_id::text
                where v.version_hash <> planned ->> 'version_hash' or v.category <> c.category
            )
        )
    )
returning c.tenant_id, c.campaign_id

-- approve_by_series --
-- Plans that a standing approval covers: same template versions, number, list or segment,
-- parameters, arms and waves.
-- cross-tenant: one scheduler serves every tenant
update app.campaigns as c
set
    status = 'approved',
    approved_at = now(),
    approved_by = s.approved_by
from app.campaign_series as s
inner join app.lists as standing
    on s.tenant_id = standing.tenant_id
    and s.list_id = standing.list_id
inner join app.lists as planned on s.tenant_id = planned.tenant_id
left join app.segments as segment
    on standing.tenant_id = segment.tenant_id
    and standing.segment_id = segment.segment_id
where c.tenant_id = s.tenant_id
    and c.series_id = s.series_id
    and c.status = 'planned'
    and c.finished_at is null
    and c.plan_stale_reason is null
    and s.status in ('active', 'ended')
    and s.approved_at is not null
    and c.template_version_hash = s.approved_template_version_hash
    and c.category = s.approved_category
    and c.template_id = s.template_id
    and c.phone_number_id = s.phone_number_id
    and c.list_id = planned.list_id
    -- Each run to a segment has a list of its own. Whoever changed the filter since has changed
    -- what was approved, or what was planned.
    and (
        planned.list_id = standing.list_id
        or (
            planned.segment_id = standing.segment_id
            and segment.updated_at <= least(s.approved_at, c.planned_at)
        )
    )
    and c.parameters = s.parameters
    and c.experiment is not distinct from s.experiment
    and c.canary is not distinct from s.canary
    and c.variant_hashes is not distinct from s.approved_variant_hashes
returning c.tenant_id, c.campaign_id

-- pause_missed --
-- Campaigns whose time is too long ago: a person decides whether late is better than never.
-- cross-tenant: one scheduler serves every tenant
update app.campaigns as c
set
    status = 'paused',
    paused_from = 'approved',
    status_reason = 'schedule_missed',
    paused_at = now()
where c.status = 'approved'
    and c.finished_at is null
    and c.scheduled_at + make_interval(secs => c.max_lateness_seconds) < now()
returning c.tenant_id, c.campaign_id

-- start_due --
-- Starts what is due, once however many schedulers ask. With local delivery the first person may
-- be 26 hours ahead of the tenant, and each message waits for its own time.
-- cross-tenant: one scheduler serves every tenant
update app.campaigns as c
set
    status = 'running',
    launched_at = now(),
    released_wave = case when c.canary is null then 0 else 1 end,
    wave_released_at = now()
where c.status = 'approved'
    and c.finished_at is null
    and c.plan_stale_reason is null
    and c.scheduled_at <= case when c.local_delivery then now() + interval '26 hours' else now() end
    and c.scheduled_at + make_interval(secs => c.max_lateness_seconds) >= now()
returning c.tenant_id, c.campaign_id

-- list_due_series --
-- Series whose next campaign is to be made now, locked: another scheduler takes others.
-- cross-tenant: one scheduler serves every tenant
select
    s.tenant_id,
    s.series_id,
    s.starts_at,
    s.rule,
    s.next_local,
    s.next_at,
    s.max_lateness_seconds,
    t.timezone
from app.campaign_series as s
inner join app.tenants as t on s.tenant_id = t.tenant_id
where s.status = 'active'
    and s.next_at <= now() + make_interval(secs => s.lead_seconds)
    and t.status = 'active'
order by s.next_at
limit 100
for update of s skip locked

-- make_occurrence --
-- The campaign of an occurrence, once: the occurrence's row is the guard. Skipped when it is too
-- late for it, or when the run before it is still under way.
with judged as materialized (
    select
        s.*,
        case
            when %(occurs_at)s + make_interval(secs => s.max_lateness_seconds) < now()
                then 'missed'
            when exists (
                select 1
                from app.campaigns as c
                where c.tenant_id = s.tenant_id
                    and c.series_id = s.series_id
                    and c.status in ('running', 'paused')
                    and c.launched_at is not null
                    and c.finished_at is null
            ) then 'previous_open'
        end as skipped_reason
    from app.campaign_series as s
    where s.tenant_id = %(tenant_id)s
        and s.series_id = %(series_id)s
),

recorded as (
    insert into app.series_occurrences (
        tenant_id, series_id, occurrence, occurs_at, campaign_id, skipped_reason
    )
    select
        j.tenant_id,
        j.series_id,
        %(occurrence)s,
        %(occurs_at)s,
        case when j.skipped_reason is null then %(campaign_id)s::uuid end,
        j.skipped_reason
    from judged as j
    on conflict (tenant_id, series_id, occurrence) do nothing
    returning campaign_id, skipped_reason
),

-- A run to a segment has a list of its own, which its plan fills.
frozen as (
    insert into app.lists (tenant_id, list_id, name, segment_id)
    select j.tenant_id, %(list_id)s, 'campaign ' || r.campaign_id, audience.segment_id
    from judged as j
    inner join recorded as r on r.campaign_id is not null
    inner join app.lists as audience
        on j.tenant_id = audience.tenant_id
        and j.list_id = audience.list_id
        and audience.segment_id is not null
    returning list_id
),

made as (
    insert into app.campaigns (
        tenant_id, campaign_id, series_id, name, phone_number_id, template_id, list_id, parameters,
        experiment, canary, status, scheduled_at, local_delivery, max_lateness_seconds, created_by,
        plan_requested_by
    )
    select
        j.tenant_id,
        r.campaign_id,
        j.series_id,
        left(j.name || to_char(%(occurrence)s::timestamp, ' YYYY-MM-DD HH24:MI'), 140),
        j.phone_number_id,
        j.template_id,
        coalesce((select f.list_id from frozen as f), j.list_id),
        j.parameters,
        j.experiment,
        j.canary,
        'planning',
        %(occurs_at)s,
        j.local_delivery,
        j.max_lateness_seconds,
        'series:' || j.series_id,
        -- Its author asks for its plans: with four eyes somebody else approves them.
        coalesce(j.changed_by, j.created_by)
    from judged as j
    inner join recorded as r on r.campaign_id is not null
)

select r.campaign_id, r.skipped_reason
from recorded as r

-- move_series_on --
-- Notes the next occurrence of a series, or that none is left.
update app.campaign_series
set
    next_local = %(next_local)s,
    next_at = %(next_at)s,
    status = case when %(next_at)s::timestamptz is null then 'ended' else status end
where tenant_id = %(tenant_id)s
    and series_id = %(series_id)s

-- list_stuck --
-- Running campaigns with messages that the claim would take now, of which nothing has moved for
-- some time, and which nothing explains.
-- cross-tenant: one scheduler serves every tenant
with able as materialized (
    select
        c.tenant_id,
        c.campaign_id,
        c.created_at,
        c.released_wave,
        c.phone_number_id,
        c.template_version_hash,
        c.category,
        c.variant_hashes,
        number.granted_per_second
    from app.campaigns as c
    inner join app.tenants as tenant on c.tenant_id = tenant.tenant_id
    inner join app.phone_numbers as number
        on c.tenant_id = number.tenant_id
        and c.phone_number_id = number.phone_number_id
    inner join app.whatsapp_accounts as account
        on number.tenant_id = account.tenant_id
        and number.waba_id = account.waba_id
    left join app.portfolios as portfolio
        on account.tenant_id = portfolio.tenant_id
        and account.portfolio_id = portfolio.portfolio_id
    where c.status = 'running'
        and c.finished_at is null
        and (c.local_delivery or c.scheduled_at is null or c.scheduled_at <= now())
        and coalesce(c.resumed_at, c.launched_at) < now() - make_interval(secs => %(seconds)s)
        and tenant.status = 'active'
        and account.blocked_reason is null
        and (number.paused_until is null or number.paused_until <= now())
        and app.switch_in_force(c.tenant_id, c.campaign_id, c.phone_number_id) is null
        and (
            portfolio.people_per_day is null
            or portfolio.people_per_day > (
                select count(*)
                from app.portfolio_reach as reach
                where reach.tenant_id = portfolio.tenant_id
                    and reach.portfolio_id = portfolio.portfolio_id
                    and reach.reached_at > now() - interval '24 hours'
            )
        )
),

ready as materialized (
    select a.tenant_id, a.campaign_id, a.phone_number_id, a.granted_per_second
    from able as a
    where exists (
        select 1
        from app.messages as m
        inner join app.templates as t
            on m.tenant_id = t.tenant_id
            and m.template_id = t.template_id
            and t.halted_reason is null
            and app.is_as_planned(
                a.template_version_hash, a.category, a.variant_hashes, m.variant, t.version_hash,
                t.category
            )
        where m.tenant_id = a.tenant_id
            and m.campaign_id = a.campaign_id
            and m.message_id >= app.uuid7_floor(a.created_at - interval '1 minute')
            and m.work = 'due'
            and m.wave <= a.released_wave
            and (m.not_before is null or m.not_before <= now())
            and app.quiet_until(
                m.tenant_id, m.country, m.category, m.recipient_timezone, now()
            ) is null
    )
),

moved as materialized (
    select distinct e.campaign_id
    from raw.message_events as e
    where e.ingested_at > now() - make_interval(secs => %(seconds)s)
        and e.event_type <> 'planned'
        and e.campaign_id in (
            select r.campaign_id
            from ready as r
        )
)

select
    r.tenant_id,
    r.campaign_id,
    r.phone_number_id,
    r.granted_per_second
from ready as r
left join moved as m on r.campaign_id = m.campaign_id
where m.campaign_id is null
    -- What a worker holds is on its way.
    and not exists (
        select 1
        from app.messages as s
        where s.tenant_id = r.tenant_id
            and s.campaign_id = r.campaign_id
            and s.work = 'leased'
    )

-- close_stalled --
-- Ends the alerts of campaigns that move again, or that something explains now.
-- cross-tenant: one scheduler serves every tenant
update app.alerts
set closed_at = now()
where kind = 'campaign_stalled'
    and closed_at is null
    and not subject = any(%(still)s::text[])
returning tenant_id, subject
