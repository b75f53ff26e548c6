-- The four states sum to what usage counted, for each tenant, day and category.
with usage as (

    select
        tenant_id,
        tenant_date,
        category,
        sum(delivered_count) as delivered_count
    from {{ ref('usage_daily') }}
    group by tenant_id, tenant_date, category

),

accounted as (

    select
        tenant_id,
        tenant_date,
        category,
        sum(messages_count) as accounted_count
    from {{ ref('message_accounting') }}
    where billing_state in ('billed', 'free', 'held', 'unknown')
    group by tenant_id, tenant_date, category

)

select
    tenant_id,
    tenant_date,
    category,
    usage.delivered_count,
    accounted.accounted_count
from usage
full outer join accounted using (tenant_id, tenant_date, category)
where usage.delivered_count is distinct from accounted.accounted_count
