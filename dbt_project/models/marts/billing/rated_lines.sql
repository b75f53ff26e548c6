with messages as (

    select * from {{ ref('int_messages_priced') }}
    where billing_state in ('billed', 'free') and price_model is not null

),

plan_versions as (

    select * from {{ ref('stg_platform__plan_versions') }}

),

prices as (

    select * from {{ ref('stg_platform__plan_prices') }}

),

counted as (

    select
        tenant_id,
        period_start,
        plan_version_id,
        category,
        price_market,
        count(*) filter (where billing_state = 'billed') as billed_count,
        count(*) filter (where billing_state = 'free') as free_count,
        sum(meta_cost) filter (where billing_state = 'billed') as meta_cost,
        -- Which messages these are, whatever their order: two halves of a digest, added by xor.
        to_hex(bit_xor(('x' || left(md5(message_id::text), 16))::bit(64)::bigint))
        || to_hex(bit_xor(('x' || right(md5(message_id::text), 16))::bit(64)::bigint))
            as messages_digest
    from messages
    group by tenant_id, period_start, plan_version_id, category, price_market

),

rated_lines as (

    select
        counted.tenant_id,
        counted.period_start,
        counted.plan_version_id,
        counted.category,
        counted.price_market,
        plan_versions.plan_code,
        plan_versions.plan_version,
        prices.price_model,
        prices.tiers,
        prices.rate_percent,
        prices.included_quantity,
        counted.billed_count,
        counted.free_count,
        case when prices.price_model = 'cost_plus' then counted.meta_cost end as meta_cost,
        plan_versions.plan_currency as currency,
        {{ function('line_amount') }}(
            prices.price_model,
            counted.billed_count::numeric,
            prices.tiers,
            prices.rate_percent,
            coalesce(counted.meta_cost, 0),
            plan_versions.plan_currency
        ) as net,
        counted.messages_digest
    from counted
    inner join plan_versions on counted.plan_version_id = plan_versions.plan_version_id
    inner join prices
        on
            counted.plan_version_id = prices.plan_version_id
            and counted.category = prices.category
            and counted.price_market = prices.price_market

)

select * from rated_lines
