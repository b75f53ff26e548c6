with tenants as (

    select * from {{ ref('stg_platform__tenants') }}

),

subscriptions as (

    select * from {{ ref('stg_platform__subscriptions') }}

),

delivered as (

    select distinct
        tenant_id,
        {{ month_of('tenant_date') }} as period_start
    from {{ ref('int_messages_delivered') }}

),

running as (

    -- The month that runs in the tenant's zone has a draft even before its first message.
    select
        tenant_id,
        {{ month_of("(" ~ run_as_of() ~ " at time zone tenant_timezone)::date") }} as period_start
    from tenants

),

periods as (

    select
        tenant_id,
        period_start,
        (period_start + interval '1 month')::date as period_end
    from (
        select * from delivered
        union distinct
        select * from running
    ) as months

),

subscribed as (

    select
        periods.tenant_id,
        periods.period_start,
        periods.period_end,
        subscriptions.plan_version_id,
        sum(
            least(coalesce(subscriptions.valid_to, periods.period_end), periods.period_end)
            - greatest(subscriptions.valid_from, periods.period_start)
        )::integer as days_used,
        (periods.period_end - periods.period_start)::integer as days_in_period,
        max(subscriptions.valid_from) as latest_valid_from
    from periods
    inner join subscriptions
        on
            periods.tenant_id = subscriptions.tenant_id
            and subscriptions.valid_from < periods.period_end
            and (
                subscriptions.valid_to is null or subscriptions.valid_to > periods.period_start
            )
    group by
        periods.tenant_id, periods.period_start, periods.period_end, subscriptions.plan_version_id

)

select * from subscribed
