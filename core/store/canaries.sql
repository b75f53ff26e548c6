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
        where m.state in ('accepted', 'sent', 'delivered', 'read', 'failed')
    ) as posted_messages,
    count(m.message_id) filter (
        where m.state in ('sent', 'delivered', 'read', 'failed')
    ) as heard_messages,
    count(m.message_id) filter (
        where m.state in ('delivered', 'read', 'failed')
    ) as judged_messages,
    count(m.message_id) filter (where m.state = 'failed') as failed_messages,
    count(m.message_id) filter (where m.error_code = 131049) as limited_messages,
    max(used.template_stopped) as template_stopped,
    max(used.template_quality) as template_quality,
    max(n.quality) as number_quality
from app.campaigns as c
-- Every arm's template: a few people go first to see whether anything speaks against it.
cross join lateral (
    select
        max(
            coalesce(
                t.halted_reason,
                case when t.status <> 'APPROVED' then t.status end,
                case
                    when not app.is_as_planned(
                        c.template_version_hash, c.category, c.variant_hashes, arm.variant,
                        t.version_hash, t.category
                    ) then 'it is another than was planned'
                end
            )
        ) as template_stopped,
        coalesce(max(t.quality) filter (where t.quality = 'RED'), max(t.quality))
            as template_quality
    from (
        select
            null as variant,
            c.template_id
        where not app.has_own_arms(c.experiment, c.template_id)
        union all
        select
            named ->> 'name',
            coalesce((named ->> 'template_id')::uuid, c.template_id)
        from jsonb_path_query(c.experiment, 'lax $.variants[*]') as named
    ) as arm
    inner join app.templates as t
        on c.tenant_id = t.tenant_id
        and arm.template_id = t.template_id
) as used
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
