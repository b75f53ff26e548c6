with messages as (

    select * from {{ ref('int_messages_delivered') }}

),

usage_daily as (

    select
        tenant_id,
        waba_id,
        phone_number_id,
        campaign_id,
        tenant_date,
        account_date,
        category,
        market,
        country,
        pricing_category,
        pricing_type,
        count(*) as delivered_count,
        count(*) filter (where is_read) as read_count
    from messages
    group by
        tenant_id, waba_id, phone_number_id, campaign_id, tenant_date, account_date, category,
        market, country, pricing_category, pricing_type

)

select * from usage_daily
