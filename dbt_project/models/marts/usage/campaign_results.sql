with events as (

    select * from {{ ref('int_events_deduplicated') }}

),

campaigns as (

    select * from {{ ref('stg_platform__campaigns') }}

),

counted as (

    select
        tenant_id,
        campaign_id,
        count(distinct message_id) as messages_count,
        count(*) filter (where event_type = 'excluded') as excluded_count,
        count(*) filter (where event_type = 'accepted') as accepted_count,
        count(*) filter (where event_type = 'held') as held_count,
        count(*) filter (where event_type = 'sent') as sent_count,
        count(distinct message_id) filter (
            where event_type in ('delivered', 'read')
        ) as delivered_count,
        count(*) filter (where event_type = 'read') as read_count,
        count(*) filter (where event_type = 'failed') as failed_count,
        count(*) filter (where event_type = 'in_doubt') as in_doubt_count,
        count(*) filter (where event_type = 'cancelled') as cancelled_count,
        count(*) filter (where event_type = 'expired') as expired_count,
        min(occurred_at) filter (where event_type = 'accepted') as first_accepted_at,
        max(occurred_at) as last_event_at
    from events
    where campaign_id is not null
    group by tenant_id, campaign_id

),

campaign_results as (

    select
        counted.tenant_id,
        counted.campaign_id,
        campaigns.campaign_name,
        campaigns.category,
        counted.messages_count,
        counted.excluded_count,
        counted.accepted_count,
        counted.held_count,
        counted.sent_count,
        counted.delivered_count,
        counted.read_count,
        counted.failed_count,
        counted.in_doubt_count,
        counted.cancelled_count,
        counted.expired_count,
        counted.first_accepted_at,
        counted.last_event_at
    from counted
    left join campaigns
        on counted.tenant_id = campaigns.tenant_id and counted.campaign_id = campaigns.campaign_id

)

select * from campaign_results
