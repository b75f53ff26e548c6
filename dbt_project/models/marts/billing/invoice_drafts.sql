with draft_lines as (

    select * from {{ ref('invoice_draft_lines') }}

),

periods as (

    select * from {{ ref('int_periods_subscribed') }}

),

tenants as (

    select * from {{ ref('stg_platform__tenants') }}

),

messages as (

    select * from {{ ref('int_messages_priced') }}

),

latest_plan as (

    select distinct on (tenant_id, period_start)
        tenant_id,
        period_start,
        period_end,
        plan_version_id
    from periods
    order by tenant_id, period_start, latest_valid_from desc, plan_version_id

),

sums as (

    select
        tenant_id,
        period_start,
        min(currency) as currency,
        count(distinct currency) as currencies_count,
        sum(net) as net,
        sum(tax) as tax,
        count(*) as lines_count
    from draft_lines
    group by tenant_id, period_start

),

accounted as (

    select
        tenant_id,
        period_start,
        count(*) as delivered_count,
        count(*) filter (where billing_state = 'billed') as billed_count,
        count(*) filter (where billing_state = 'free') as free_count,
        count(*) filter (where billing_state = 'held') as held_count,
        count(*) filter (where billing_state = 'unknown') as unknown_count
    from messages
    group by tenant_id, period_start

),

invoice_drafts as (

    select
        sums.tenant_id,
        sums.period_start,
        latest_plan.period_end,
        tenants.tenant_timezone as period_timezone,
        sums.period_start::timestamp at time zone tenants.tenant_timezone as period_start_at,
        latest_plan.period_end::timestamp at time zone tenants.tenant_timezone as period_end_at,
        latest_plan.plan_version_id,
        sums.currency,
        sums.currencies_count,
        sums.lines_count,
        sums.net,
        sums.tax,
        sums.net + sums.tax as total,
        coalesce(accounted.delivered_count, 0) as delivered_count,
        coalesce(accounted.billed_count, 0) as billed_count,
        coalesce(accounted.free_count, 0) as free_count,
        coalesce(accounted.held_count, 0) as held_count,
        coalesce(accounted.unknown_count, 0) as unknown_count
    from sums
    inner join latest_plan
        on sums.tenant_id = latest_plan.tenant_id and sums.period_start = latest_plan.period_start
    inner join tenants on sums.tenant_id = tenants.tenant_id
    left join accounted
        on sums.tenant_id = accounted.tenant_id and sums.period_start = accounted.period_start

)

select * from invoice_drafts
