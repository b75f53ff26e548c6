with delivered as (

    select
        *,
        coalesce(pricing_category, category) as cost_category
    from {{ ref('int_messages_delivered') }}

),

policies as (

    select * from {{ ref('stg_platform__meta_policies') }}

),

markets as (

    select * from {{ ref('stg_platform__market_map') }}

),

rates as (

    -- Tiers belong to a whole portfolio and cannot be known from here: the list rate is tier one.
    select * from {{ ref('stg_platform__meta_rates') }}
    where tier_from = 1

),

market_of_country as (

    -- Where a country has one market on a day, that day's map wins over the day of the plan.
    select
        delivered.country,
        delivered.account_date,
        min(markets.market) as market
    from (select distinct country, account_date from delivered) as delivered
    inner join markets
        on
            delivered.country = markets.country
            and {{ is_valid_on('markets', 'delivered.account_date') }}
    group by delivered.country, delivered.account_date
    having count(distinct markets.market) = 1

),

ruled as (

    select
        delivered.*,
        coalesce(market_of_country.market, delivered.market) as cost_market,
        policies.policy_id,
        policies.is_charged,
        policies.rate_category,
        coalesce(policies.free_quota_per_number_month, 0) as free_quota
    from delivered
    left join market_of_country
        on
            delivered.country = market_of_country.country
            and delivered.account_date = market_of_country.account_date
    left join policies
        on
            delivered.cost_category = policies.category
            and delivered.pricing_type = policies.pricing_type
            and {{ is_valid_on('policies', 'delivered.account_date') }}

),

counted as (

    -- The first thousand of a number and month are free; the order is total, so that two runs and
    -- two engines agree on which message is the thousand and first.
    select
        *,
        row_number() over (
            partition by
                tenant_id, phone_number_id, cost_category, free_quota > 0,
                {{ month_of('account_date') }}
            order by delivered_at, message_id
        ) as quota_position
    from ruled

),

looked_up as (

    select
        counted.*,
        rates.rate_id,
        rates.rate
    from counted
    left join rates
        on
            counted.cost_market = rates.market
            and counted.account_currency = rates.currency
            and counted.rate_category = rates.category
            and {{ is_valid_on('rates', 'counted.account_date') }}

),

judged as (

    select
        *,
        case
            when pricing_type is null then 'unknown'
            when policy_id is null then 'unknown'
            when not is_charged then 'free'
            when quota_position <= free_quota then 'free'
            when rate_id is null then 'unknown'
            else 'rated'
        end as cost_state,
        case
            when pricing_type is null then 'pricing_not_reported'
            when policy_id is null then 'no_policy'
            when not is_charged and pricing_type = 'regular' then 'not_charged_yet'
            when not is_charged then pricing_type
            when quota_position <= free_quota then 'monthly_quota'
            when rate_id is null and cost_market is null then 'no_market'
            when rate_id is null then 'no_rate'
        end as cost_reason
    from looked_up

),

costed as (

    select
        tenant_id,
        message_id,
        campaign_id,
        waba_id,
        phone_number_id,
        category,
        country,
        market,
        cost_category,
        cost_market,
        pricing_type,
        cost_state,
        cost_reason,
        -- Unknown is null, never zero.
        case cost_state
            when 'rated' then trim_scale(rate)
            when 'free' then 0
        end as meta_cost,
        account_currency as cost_currency,
        policy_id,
        case when cost_state = 'rated' then rate_id end as rate_id,
        is_read,
        delivered_at,
        tenant_date,
        account_date
    from judged

)

select * from costed
