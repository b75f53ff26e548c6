with billed as (

    select
        tenant_id,
        date_trunc('month', tenant_date)::date as period_start,
        sum(messages_count) as billed_count
    from {{ ref('message_accounting') }}
    where billing_state = 'billed'
    group by tenant_id, date_trunc('month', tenant_date)

),

rated as (

    select
        tenant_id,
        period_start,
        sum(billed_count) as rated_count
    from {{ ref('rated_lines') }}
    group by tenant_id, period_start

)

select
    tenant_id,
    period_start,
    billed.billed_count,
    rated.rated_count
from billed
full outer join rated using (tenant_id, period_start)
where coalesce(billed.billed_count, 0) <> coalesce(rated.rated_count, 0)
