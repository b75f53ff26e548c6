with messages as (

    select * from {{ ref('int_messages_priced') }}

),

export_usage as (

    select
        tenant_id,
        tenant_date,
        campaign_id,
        phone_number_id,
        category,
        country,
        market,
        billing_state,
        billing_reason,
        count(*) as delivered_count
    from messages
    group by
        tenant_id, tenant_date, campaign_id, phone_number_id, category, country, market,
        billing_state, billing_reason

)

select * from export_usage
