with messages as (

    select * from {{ ref('int_messages_costed') }}

),

meta_costs as (

    select
        tenant_id,
        waba_id,
        account_date,
        country,
        cost_market as market,
        cost_category as category,
        pricing_type,
        cost_state,
        cost_reason,
        cost_currency as currency,
        count(*) as messages_count,
        sum(meta_cost) as meta_cost
    from messages
    group by
        tenant_id, waba_id, account_date, country, cost_market, cost_category, pricing_type,
        cost_state, cost_reason, cost_currency

)

select * from meta_costs
