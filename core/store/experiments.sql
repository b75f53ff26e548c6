-- count_arms --
-- What became of each arm of a campaign's experiment; people held out are an arm without sends.
select
    case when m.exclusion_reason = 'holdout' then 'holdout' else m.variant end as variant,
    count(*) as people,
    count(*) filter (where m.state = 'queued') as waiting,
    -- One template an arm.
    min(
        case
            when m.exclusion_reason = 'holdout' then null
            when t.halted_reason is not null then 'template_halted'
            when not app.is_as_planned(
                c.template_version_hash, c.category, c.variant_hashes, m.variant, t.version_hash,
                t.category
            ) then 'template_changed'
        end
    ) as stopped,
    count(*) filter (where m.accepted_at is not null) as accepted,
    count(*) filter (where m.state in ('delivered', 'read')) as delivered,
    count(*) filter (where m.state = 'read') as read,
    count(*) filter (where m.state = 'failed') as failed,
    count(*) filter (where revoked.contact_id is not null) as opted_out
from app.messages as m
inner join app.campaigns as c
    on m.tenant_id = c.tenant_id
    and m.campaign_id = c.campaign_id
left join app.templates as t
    on m.tenant_id = t.tenant_id
    and m.template_id = t.template_id
left join lateral (
    select s.contact_id
    from app.consent_states as s
    where s.tenant_id = m.tenant_id
        and s.contact_id = m.contact_id
        and s.purpose = m.category
        and not s.granted
        and s.occurred_at >= c.launched_at
) as revoked on true
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and (m.variant is not null or m.exclusion_reason = 'holdout')
    and m.exclusion_reason is distinct from 'duplicate'
    and (m.exclusion_reason is null or m.exclusion_reason = 'holdout')
group by 1
order by 1

-- release_next_wave --
-- A person lets the next wave go whatever the gate says; also out of a pause the gate made.
update app.campaigns
set
    released_wave = released_wave + 1,
    wave_released_at = now(),
    status = 'running',
    status_reason = null,
    paused_at = null
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and canary is not null
    and released_wave between 1 and jsonb_array_length(canary -> 'percents') - 1
    and finished_at is null
    and (status = 'running' or (status = 'paused' and status_reason like 'canary_stopped:%%'))

-- get_waves --
-- Where a campaign's canary is.
select
    c.canary,
    c.experiment,
    c.status,
    c.status_reason,
    c.released_wave,
    c.wave_released_at
from app.campaigns as c
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s

-- count_waves --
-- Messages of each wave by whether they are still to come.
select
    m.wave,
    count(*) as messages,
    count(*) filter (where m.state in ('queued', 'sending', 'in_doubt', 'held')) as open,
    count(*) filter (where m.state = 'failed') as failed
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.wave > 0
    and m.state <> 'excluded'
group by m.wave
order by m.wave
