with costs as (

    select * from {{ ref('meta_costs') }}

),

statements as (

    select * from {{ ref('stg_meta__pricing_analytics') }}

),

fetches as (

    select * from {{ ref('stg_meta__analytics_fetches') }}

),

accounts as (

    select * from {{ ref('stg_platform__whatsapp_accounts') }}

),

named as (

    -- Until 2026-09-30 Meta counts utility inside the window under SERVICE in pricing_analytics.
    select
        tenant_id,
        waba_id,
        account_date,
        coalesce(country, '??') as country,
        case
            when
                category = 'utility'
                and pricing_type = 'free_customer_service'
                and account_date < date '2026-10-01'
                then 'service'
            else category
        end as category,
        coalesce(pricing_type, 'not_reported') as pricing_type,
        messages_count,
        meta_cost,
        cost_state
    from costs

),

ours as (

    select
        tenant_id,
        waba_id,
        account_date,
        country,
        category,
        pricing_type,
        sum(messages_count)::bigint as our_volume,
        sum(meta_cost) as our_cost,
        bool_or(cost_state = 'unknown') as has_unknown_cost
    from named
    group by tenant_id, waba_id, account_date, country, category, pricing_type

),

theirs as (

    select
        tenant_id,
        waba_id,
        account_date,
        country,
        pricing_category as category,
        pricing_type,
        sum(volume)::bigint as meta_volume,
        sum(cost) as meta_cost,
        bool_or(cost is null) as is_cost_withheld
    from statements
    group by tenant_id, waba_id, account_date, country, pricing_category, pricing_type

),

joined as (

    select
        tenant_id,
        waba_id,
        account_date,
        country,
        category,
        pricing_type,
        coalesce(ours.our_volume, 0) as our_volume,
        coalesce(theirs.meta_volume, 0) as meta_volume,
        ours.our_cost,
        theirs.meta_cost,
        coalesce(ours.has_unknown_cost, false) as has_unknown_cost,
        coalesce(theirs.is_cost_withheld, false) as is_cost_withheld
    from ours
    full outer join theirs
        using (tenant_id, waba_id, account_date, country, category, pricing_type)

),

totalled as (

    select
        *,
        sum(our_volume) over country_day as our_country_volume,
        sum(meta_volume) over country_day as meta_country_volume,
        sum(our_volume) over category_day as our_category_volume,
        sum(meta_volume) over category_day as meta_category_volume
    from joined
    window
        country_day as (partition by tenant_id, waba_id, account_date, country),
        category_day as (partition by tenant_id, waba_id, account_date, country, category)

),

typed as (

    select
        totalled.tenant_id,
        totalled.waba_id,
        totalled.account_date,
        totalled.country,
        totalled.category,
        totalled.pricing_type,
        totalled.our_volume,
        totalled.meta_volume,
        totalled.our_cost,
        totalled.meta_cost,
        accounts.account_currency as currency,
        case
            when coalesce(fetches.outcome, 'never_asked') <> 'fetched' then 'no_statement'
            when
                totalled.account_date not between fetches.first_date and fetches.last_date
                then 'no_statement'
            when totalled.our_volume <> totalled.meta_volume then
                case
                    when totalled.our_category_volume = totalled.meta_category_volume
                        then 'type_differs'
                    when totalled.our_country_volume = totalled.meta_country_volume
                        then 'category_differs'
                    when totalled.our_volume = 0 then 'missing_here'
                    when totalled.meta_volume = 0 then 'missing_there'
                    else 'volume_differs'
                end
            when totalled.has_unknown_cost then 'cost_unknown_here'
            when totalled.is_cost_withheld then 'cost_withheld'
            -- Meta rounds what it shows: half a ten-thousandth a message is no difference.
            when
                abs(totalled.our_cost - totalled.meta_cost)
                > 0.00005 * totalled.our_volume
                then 'rate_differs'
            else 'agrees'
        end as break_type
    from totalled
    inner join accounts
        on totalled.tenant_id = accounts.tenant_id and totalled.waba_id = accounts.waba_id
    left join fetches
        on totalled.tenant_id = fetches.tenant_id and totalled.waba_id = fetches.waba_id

),

meta_reconciliation as (

    select
        tenant_id,
        waba_id,
        account_date,
        country,
        category,
        pricing_type,
        our_volume,
        meta_volume,
        our_cost,
        meta_cost,
        currency,
        break_type,
        case break_type
            when 'agrees' then 'nobody'
            when 'cost_withheld' then 'nobody'
            when 'no_statement' then 'operations'
            when 'missing_here' then 'operations'
            when 'missing_there' then 'operations'
            when 'volume_differs' then 'operations'
            else 'finance'
        end as owner,
        -- What the break could cost; null where one side's price is not known.
        case
            when break_type in ('agrees', 'cost_withheld', 'no_statement') then 0
            when break_type = 'cost_unknown_here' then meta_cost
            else abs(coalesce(our_cost, 0) - coalesce(meta_cost, 0))
        end as money_at_stake,
        ({{ run_as_of() }} at time zone 'UTC')::date - account_date as age_days
    from typed

)

select * from meta_reconciliation
