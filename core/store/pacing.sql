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
-- Numbers that may send now, with their grant.
-- cross-tenant: one pacer serves every tenant
select
    number.tenant_id,
    number.phone_number_id,
    number.granted_per_second
from app.phone_numbers as number
inner join app.tenants as tenant on number.tenant_id = tenant.tenant_id
inner join app.whatsapp_accounts as account
    on number.tenant_id = account.tenant_id
    and number.waba_id = account.waba_id
where tenant.status = 'active'
    and account.blocked_reason is null
    and (number.paused_until is null or number.paused_until <= now())
order by number.tenant_id, number.phone_number_id

-- list_running_campaigns --
-- Campaigns that may send now, and the lowest message id their plan can hold.
-- cross-tenant: one pacer serves every tenant
select
    campaign.tenant_id,
    campaign.campaign_id,
    campaign.phone_number_id,
    app.uuid7_floor(campaign.created_at - interval '1 minute') as first_id
from app.campaigns as campaign
left join app.templates as template
    on campaign.tenant_id = template.tenant_id
    and campaign.template_id = template.template_id
where campaign.status = 'running'
    and campaign.finished_at is null
    and (campaign.scheduled_at is null or campaign.scheduled_at <= now())
    and template.halted_reason is null
order by campaign.launched_at, campaign.campaign_id

-- list_queued_of_campaign --
-- The next queued messages of a campaign after a cursor; the cursor is only a hint.
select m.message_id
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.message_id > %(after)s
    and m.state = 'queued'
    and (m.not_before is null or m.not_before <= now())
order by m.message_id
limit %(limit)s

-- list_queued_singles --
-- The oldest queued messages without a campaign, up to a limit a number.
-- cross-tenant: one pacer serves every tenant
select
    number.tenant_id,
    number.phone_number_id,
    single.message_id
from app.phone_numbers as number
cross join lateral (
    select m.message_id
    from app.messages as m
    left join app.templates as template
        on m.tenant_id = template.tenant_id
        and m.template_id = template.template_id
    where m.tenant_id = number.tenant_id
        and m.phone_number_id = number.phone_number_id
        and m.campaign_id is null
        and m.state = 'queued'
        and (m.not_before is null or m.not_before <= now())
        -- What no worker may claim must not fill the limit before what may go.
        and (template.halted_reason is null or m.expires_at <= now())
        -- Meta keeps nothing longer than 30 days; older partitions need no look.
        and m.message_id >= app.uuid7_floor(now() - interval '31 days')
    order by m.message_id
    limit %(limit)s
) as single

-- list_still_queued --
-- Which of these messages nobody has claimed yet: one message stands for its ticket.
select m.message_id
from unnest(%(tenant_ids)s::uuid[], %(message_ids)s::uuid[]) as probe (tenant_id, message_id)
inner join app.messages as m
    on probe.tenant_id = m.tenant_id
    and probe.message_id = m.message_id
where m.message_id >= %(lowest)s
    and m.message_id <= %(highest)s
    and m.state = 'queued'
    and (m.not_before is null or m.not_before <= now())

-- raise_grants --
-- Additive increase back to what Meta grants, for numbers not throttled in the last seconds.
-- cross-tenant: one pacer serves every tenant
update app.phone_numbers
set granted_per_second = least(
    throughput_per_second,
    granted_per_second + greatest(1, throughput_per_second * 0.02)
)
where granted_per_second < throughput_per_second
    and (throttled_at is null or throttled_at < now() - interval '3 seconds')
