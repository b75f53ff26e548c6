-- try_lead --
-- Whether this session now leads the pacers; it does so until it ends.
select pg_try_advisory_lock(%(lock)s)

-- guard_leadership --
-- A leader that freezes or vanishes loses its session, and with it the lock, within 10 seconds.
select
    set_config('idle_session_timeout', '6s', false),
    set_config('tcp_keepalives_idle', '3', false),
    set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '2', false)

-- list_numbers --
-- Numbers that may send now, with their grant and the portfolio whose limit they share.
-- cross-tenant: one pacer serves every tenant
select
    number.tenant_id,
    number.phone_number_id,
    account.portfolio_id,
    least(number.granted_per_second, number.throughput_per_second) as granted_per_second
from app.phone_numbers as number
inner join app.tenants as tenant on number.tenant_id = tenant.tenant_id
inner join app.whatsapp_accounts as account
    on number.tenant_id = account.tenant_id
    and number.waba_id = account.waba_id
where tenant.status = 'active'
    and account.blocked_reason is null
    and (number.paused_until is null or number.paused_until <= now())
    and not exists (
        select 1
        from ops.switches as switch
        where switch.lifted_at is null
            and switch.expires_at > now()
            and (
                switch.scope = 'everything'
                or (switch.scope = 'tenant' and switch.tenant_id = number.tenant_id)
                or (
                    switch.scope = 'number'
                    and switch.tenant_id = number.tenant_id
                    and switch.subject = number.phone_number_id
                )
            )
    )
order by number.tenant_id, number.phone_number_id

-- list_running_campaigns --
-- Campaigns that may send now, which waves and templates of them, and the lowest id of their plan.
-- cross-tenant: one pacer serves every tenant
select
    campaign.tenant_id,
    campaign.campaign_id,
    campaign.phone_number_id,
    campaign.category = 'authentication' as urgent,
    campaign.released_wave,
    usable.template_ids,
    campaign.request_id,
    app.uuid7_floor(campaign.created_at - interval '1 minute') as first_id
from app.campaigns as campaign
-- Its own and its variants' templates; those that are halted, or another than was planned, keep
-- nothing from the others.
cross join lateral (
    select array_agg(distinct template.template_id) as template_ids
    from (
        select
            null as variant,
            campaign.template_id
        union all
        select
            arm ->> 'name',
            coalesce((arm ->> 'template_id')::uuid, campaign.template_id)
        from jsonb_path_query(campaign.experiment, 'lax $.variants[*]') as arm
    ) as named
    inner join app.templates as template
        on named.template_id = template.template_id
    where template.tenant_id = campaign.tenant_id
        and template.halted_reason is null
        and app.is_as_planned(
            campaign.template_version_hash, campaign.category, campaign.variant_hashes,
            named.variant, template.version_hash, template.category
        )
) as usable
where campaign.status = 'running'
    and campaign.finished_at is null
    -- With local delivery each row has its own hour.
    and (
        campaign.local_delivery
        or campaign.scheduled_at is null
        or campaign.scheduled_at <= now()
    )
    and usable.template_ids is not null
    and not exists (
        select 1
        from ops.switches as switch
        where switch.lifted_at is null
            and switch.expires_at > now()
            and switch.scope = 'campaign'
            and switch.tenant_id = campaign.tenant_id
            and switch.subject = campaign.campaign_id::text
    )
order by campaign.launched_at, campaign.campaign_id

-- list_due_of_campaigns --
-- For each cursor (a wave of a campaign), the next queued messages of its templates that may go by
-- now: each template's in the order of the index, then merged.
select
    cursor.ordinal,
    due.message_id,
    due.not_before
from unnest(
    %(ordinals)s::integer[],
    %(tenant_ids)s::uuid[],
    %(campaign_ids)s::uuid[],
    %(first_ids)s::uuid[],
    %(waves)s::smallint[],
    %(after_dues)s::timestamptz[],
    %(after_ids)s::uuid[],
    %(template_ids)s::text[],
    %(limits)s::integer[]
) as cursor (
    ordinal, tenant_id, campaign_id, first_id, wave, after_due, after_id, template_ids, page_size
)
cross join lateral (
    select page.message_id, page.not_before
    from unnest(cursor.template_ids::uuid[]) as template (template_id)
    cross join lateral (
        select m.message_id, m.not_before
        from app.messages as m
        where m.tenant_id = cursor.tenant_id
            and m.campaign_id = cursor.campaign_id
            and m.wave = cursor.wave
            and m.template_id = template.template_id
            and m.work = 'due'
            -- Prunes the partitions of earlier weeks.
            and m.message_id >= cursor.first_id
            and coalesce(m.not_before, '-infinity') <= now()
            and (coalesce(m.not_before, '-infinity'), m.message_id)
            > (coalesce(cursor.after_due, '-infinity'), cursor.after_id)
        order by coalesce(m.not_before, '-infinity'), m.message_id
        limit cursor.page_size
    ) as page
    order by coalesce(page.not_before, '-infinity'), page.message_id
    limit cursor.page_size
) as due
order by cursor.ordinal, coalesce(due.not_before, '-infinity'), due.message_id

-- list_due_singles --
-- For each of these numbers, the next queued messages without a campaign that may go by now.
select
    number.phone_number_id,
    single.message_id,
    single.request_id
from unnest(
    %(tenant_ids)s::uuid[], %(phone_number_ids)s::text[], %(limits)s::integer[]
) as number (tenant_id, phone_number_id, page_size)
cross join lateral (
    select m.message_id, m.not_before, m.request_id
    from app.messages as m
    left join app.templates as template
        on m.tenant_id = template.tenant_id
        and m.template_id = template.template_id
    where m.tenant_id = number.tenant_id
        and m.phone_number_id = number.phone_number_id
        and m.campaign_id is null
        and m.work = 'due'
        and coalesce(m.not_before, '-infinity') <= now()
        -- What no worker may claim must not fill the limit before what may go.
        and (template.halted_reason is null or m.expires_at <= now())
        -- Meta keeps nothing longer than 30 days; older and future partitions need no look.
        and m.message_id >= app.uuid7_floor(now() - interval '31 days')
        and m.message_id <= app.uuid7_floor(now() + interval '1 hour')
    order by coalesce(m.not_before, '-infinity'), m.message_id
    limit number.page_size
) as single
order by number.phone_number_id, coalesce(single.not_before, '-infinity'), single.message_id

-- list_still_queued --
-- Which of these messages nobody has claimed since their ticket: one stands for its ticket.
select m.message_id
from unnest(
    %(tenant_ids)s::uuid[], %(message_ids)s::uuid[], %(issued_ats)s::timestamptz[]
) as probe (tenant_id, message_id, issued_at)
inner join app.messages as m
    on probe.tenant_id = m.tenant_id
    and probe.message_id = m.message_id
where m.message_id >= %(lowest)s
    and m.message_id <= %(highest)s
    and m.state = 'queued'
    and (m.not_before is null or m.not_before <= now())
    -- What was claimed and throttled at once is queued again, at its old place.
    and (m.claimed_at is null or m.claimed_at < probe.issued_at)

-- raise_grants --
-- Additive increase back to what Meta grants, for numbers not throttled in the last seconds. Not
-- while they rest: nothing has shown yet that more would pass.
-- cross-tenant: one pacer serves every tenant
update app.phone_numbers
set granted_per_second = least(
    throughput_per_second,
    granted_per_second + greatest(1, throughput_per_second * 0.02)
)
where granted_per_second < throughput_per_second
    and (throttled_at is null or throttled_at < now() - interval '3 seconds')
    and (paused_until is null or paused_until <= now())

-- end_pauses --
-- Lifts the pauses that are over and closes what they told people; returns how many ended.
-- cross-tenant: one pacer keeps house for every tenant
with ended as (
    update app.phone_numbers as number
    set
        paused_until = null,
        pause_reason = null
    from (
        select paused.tenant_id, paused.phone_number_id, paused.paused_until
        from app.phone_numbers as paused
        where paused.paused_until <= now()
        order by paused.tenant_id, paused.phone_number_id
        for update skip locked
    ) as over
    where number.tenant_id = over.tenant_id
        and number.phone_number_id = over.phone_number_id
    returning number.tenant_id, number.phone_number_id, over.paused_until
),

closed as (
    update app.alerts as alert
    set closed_at = ended.paused_until
    from ended
    where alert.tenant_id = ended.tenant_id
        and alert.kind = 'number_paused'
        and alert.subject = ended.phone_number_id
        and alert.closed_at is null
)

select count(*) as numbers
from ended

-- rest_account --
-- After an account-wide limit: its numbers rest for the time Meta gave, and are slower after it, at
-- most once a second however many sends met it. A longer pause keeps its end and its reason.
update app.phone_numbers
set
    pause_reason = case
        when paused_until > now() + make_interval(secs => %(seconds)s::double precision)
            then pause_reason
        else %(reason)s
    end,
    paused_until = greatest(
        paused_until, now() + make_interval(secs => %(seconds)s::double precision)
    ),
    granted_per_second = case
        when throttled_at >= now() - interval '1 second' then granted_per_second
        else greatest(1, round(granted_per_second * 0.7, 2))
    end,
    throttled_at = case
        when throttled_at >= now() - interval '1 second' then throttled_at else now()
    end
where (tenant_id, phone_number_id) in (
    select resting.tenant_id, resting.phone_number_id
    from app.phone_numbers as resting
    where resting.tenant_id = %(tenant_id)s
        and resting.waba_id = %(waba_id)s
    order by resting.tenant_id, resting.phone_number_id
    for update
)

-- slow_every_number --
-- After an app-wide limit: everybody sends less, at most once a second however many sends met it.
-- cross-tenant: the limit is our app's, whichever tenant met it
update app.phone_numbers
set
    granted_per_second = greatest(1, round(granted_per_second * 0.7, 2)),
    throttled_at = now()
where (tenant_id, phone_number_id) in (
    select slower.tenant_id, slower.phone_number_id
    from app.phone_numbers as slower
    where slower.throttled_at is null
        or slower.throttled_at < now() - interval '1 second'
    order by slower.tenant_id, slower.phone_number_id
    for update skip locked
)
