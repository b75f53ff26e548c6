with events as (

    select * from {{ ref('int_events_deduplicated') }}

),

priced as (

    select * from {{ ref('int_messages_priced') }}

),

messages as (

    select
        tenant_id,
        message_id,
        (array_agg(campaign_id order by campaign_id desc nulls last))[1] as campaign_id,
        (array_agg(contact_pseudonym order by event_id))[1] as contact_pseudonym,
        min(phone_number_id) as phone_number_id,
        min(category) as category,
        min(country) as country,
        min(market) as market,
        -- The last fact written is where the message stands; nothing comes after a delivery.
        case
            when bool_or(event_type = 'read') then 'read'
            when bool_or(event_type = 'delivered') then 'delivered'
            else (array_agg(event_type order by event_id desc))[1]
        end as state,
        (array_agg(error_code order by event_id desc) filter (where event_type = 'failed'))[1]
            as error_code,
        (
            array_agg(reason order by event_id desc)
            filter (where event_type in ('excluded', 'failed', 'cancelled', 'expired'))
        )[1] as reason,
        min(occurred_at) filter (where event_type = 'planned') as planned_at,
        min(occurred_at) filter (where event_type = 'accepted') as accepted_at,
        min(occurred_at) filter (where event_type = 'sent') as sent_at,
        min(occurred_at) filter (where event_type in ('delivered', 'read')) as delivered_at,
        min(occurred_at) filter (where event_type = 'read') as read_at,
        min(occurred_at) filter (where event_type = 'failed') as failed_at,
        max(occurred_at) as last_event_at
    from events
    group by tenant_id, message_id

),

export_messages as (

    select
        messages.tenant_id,
        messages.message_id,
        messages.campaign_id,
        messages.contact_pseudonym,
        messages.phone_number_id,
        messages.category,
        messages.country,
        messages.market,
        messages.state,
        messages.error_code,
        messages.reason,
        messages.planned_at,
        messages.accepted_at,
        messages.sent_at,
        messages.delivered_at,
        messages.read_at,
        messages.failed_at,
        messages.last_event_at,
        priced.tenant_date as delivered_date,
        priced.billing_state,
        priced.billing_reason
    from messages
    left join priced
        on messages.tenant_id = priced.tenant_id and messages.message_id = priced.message_id

)

select * from export_messages
