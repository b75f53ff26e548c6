-- list_canaries --
-- Running campaigns whose next wave waits, with every signal their gate asks for.
-- cross-tenant: one settler serves every tenant
select
    c.tenant_id,
    c.campaign_id,
    c.canary,
    c.released_wave,
    coalesce(c.wave_released_at, c.launched_at, now()) as released_at,
    count(m.message_id) filter (
        where m.state in ('queued', 'sending', 'in_doubt', 'held')
    ) as open_messages,
    count(m.message_id) filter (
        where m.state in ('delivered', 'read', 'failed')
    ) as judged_messages,
    count(m.message_id) filter (where m.state = 'failed') as failed_messages,
    count(m.message_id) filter (where m.error_code = 131049) as limited_messages,
    max(coalesce(t.halted_reason, case when t.status <> 'APPROVED' then t.status end))
        as template_stopped,
    max(t.quality) as template_quality,
    max(n.quality) as number_quality
from app.campaigns as c
inner join app.templates as t
    on c.tenant_id = t.tenant_id
    and c.template_id = t.template_id
inner join app.phone_numbers as n
    on c.tenant_id = n.tenant_id
    and c.phone_number_id = n.phone_number_id
left join app.messages as m
    on c.tenant_id = m.tenant_id
    and c.campaign_id = m.campaign_id
    and m.wave between 1 and c.released_wave
    and m.state <> 'excluded'
where c.canary is not null
    and c.status = 'running'
    and c.finished_at is null
    and c.released_wave < jsonb_array_length(c.canary -> 'percents')
group by c.tenant_id, c.campaign_id
order by c.campaign_id

-- release_wave --
-- Lets the next wave be claimed, if nobody else has released it.
update app.campaigns
set
    released_wave = released_wave + 1,
    wave_released_at = now()
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status = 'running'
    and released_wave = %(released_wave)s

-- stop_campaign --
-- Pauses a campaign whose canary met something bad; a person decides.
update app.campaigns
set
    status = 'paused',
    status_reason = %(reason)s,
    paused_at = now()
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status = 'running'
    and released_wave = %(released_wave)s
