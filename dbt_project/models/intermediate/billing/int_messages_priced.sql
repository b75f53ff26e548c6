with costed as (

    select * from {{ ref('int_messages_costed') }}

),

subscriptions as (

    select * from {{ ref('stg_platform__subscriptions') }}

),

plan_versions as (

    select * from {{ ref('stg_platform__plan_versions') }}

),

prices as (

    select * from {{ ref('stg_platform__plan_prices') }}

),

planned as (

    select
        costed.*,
        subscriptions.plan_version_id,
        plan_versions.plan_currency
    from costed
    left join subscriptions
        on
            costed.tenant_id = subscriptions.tenant_id
            and {{ is_valid_on('subscriptions', 'costed.tenant_date') }}
    left join plan_versions on subscriptions.plan_version_id = plan_versions.plan_version_id

),

priced as (

    -- A named market wins over any market.
    select
        planned.*,
        coalesce(named.price_market, anywhere.price_market) as price_market,
        coalesce(named.price_model, anywhere.price_model) as price_model,
        coalesce(named.included_quantity, anywhere.included_quantity) as included_quantity
    from planned
    left join prices as named
        on
            planned.plan_version_id = named.plan_version_id
            and planned.category = named.category
            and planned.market = named.price_market
    left join prices as anywhere
        on
            planned.plan_version_id = anywhere.plan_version_id
            and planned.category = anywhere.category
            and anywhere.price_market = '*'

),

positioned as (

    -- An allowance is used up in the order of delivery; the message id makes the order total.
    select
        *,
        row_number() over (
            partition by
                tenant_id, plan_version_id, category, price_market, {{ month_of('tenant_date') }}
            order by delivered_at, message_id
        ) as allowance_position
    from priced

),

judged as (

    -- Each delivered message is exactly one of billed, free, held, unknown.
    select
        *,
        case
            when plan_version_id is null then 'held'
            when price_model is null then 'unknown'
            when price_model = 'cost_plus' and cost_currency <> plan_currency then 'held'
            when price_model = 'cost_plus' and cost_state = 'unknown' then 'unknown'
            when price_model = 'cost_plus' and cost_state = 'free' then 'free'
            when allowance_position <= included_quantity then 'free'
            else 'billed'
        end as billing_state,
        case
            when plan_version_id is null then 'no_subscription'
            when price_model is null then 'no_price'
            when price_model = 'cost_plus' and cost_currency <> plan_currency
                then 'cost_in_other_currency'
            when price_model = 'cost_plus' and cost_state = 'unknown' then 'cost_' || cost_reason
            when price_model = 'cost_plus' and cost_state = 'free' then 'meta_' || cost_reason
            when allowance_position <= included_quantity then 'allowance'
        end as billing_reason
    from positioned

),

messages as (

    select
        tenant_id,
        message_id,
        campaign_id,
        waba_id,
        phone_number_id,
        category,
        country,
        market,
        plan_version_id,
        plan_currency,
        price_market,
        price_model,
        billing_state,
        billing_reason,
        cost_state,
        meta_cost,
        cost_currency,
        delivered_at,
        tenant_date,
        {{ month_of('tenant_date') }} as period_start
    from judged

)

select * from messages
