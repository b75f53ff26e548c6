with events as (

    select * from {{ ref('int_events_deduplicated') }}

),

tenants as (

    select * from {{ ref('stg_platform__tenants') }}

),

accounts as (

    select * from {{ ref('stg_platform__whatsapp_accounts') }}

),

messages as (

    -- Read implies delivered. Within one second Meta's order is sent, delivered, read.
    select
        tenant_id,
        message_id,
        min(waba_id) as waba_id,
        min(phone_number_id) as phone_number_id,
        (array_agg(campaign_id order by campaign_id desc nulls last))[1] as campaign_id,
        min(category) as category,
        min(market) as market,
        min(country) as country,
        min(occurred_at) filter (where event_type in ('delivered', 'read')) as delivered_at,
        bool_or(event_type = 'read') as is_read,
        (
            array_agg(pricing_type order by date_trunc('second', occurred_at), event_type_code)
            filter (where pricing_type is not null)
        )[1] as pricing_type,
        (
            array_agg(pricing_category order by date_trunc('second', occurred_at), event_type_code)
            filter (where pricing_type is not null)
        )[1] as pricing_category
    from events
    where event_type in ('sent', 'delivered', 'read')
    group by tenant_id, message_id

),

delivered as (

    select
        messages.tenant_id,
        messages.message_id,
        messages.campaign_id,
        messages.waba_id,
        messages.phone_number_id,
        messages.category,
        messages.market,
        messages.country,
        messages.pricing_type,
        messages.pricing_category,
        messages.is_read,
        accounts.account_currency,
        messages.delivered_at,
        -- Two clocks, never mixed: what the tenant pays, and what Meta charges.
        (messages.delivered_at at time zone tenants.tenant_timezone)::date as tenant_date,
        (messages.delivered_at at time zone accounts.account_timezone)::date as account_date
    from messages
    inner join tenants on messages.tenant_id = tenants.tenant_id
    inner join accounts
        on messages.tenant_id = accounts.tenant_id and messages.waba_id = accounts.waba_id
    where messages.delivered_at is not null

)

select * from delivered
