with usage as (

    select
        tenant_id,
        waba_id,
        account_date,
        sum(delivered_count) as delivered_count
    from {{ ref('usage_daily') }}
    group by tenant_id, waba_id, account_date

),

costs as (

    select
        tenant_id,
        waba_id,
        account_date,
        sum(messages_count) as messages_count
    from {{ ref('meta_costs') }}
    group by tenant_id, waba_id, account_date

)

select
    tenant_id,
    waba_id,
    account_date,
    usage.delivered_count,
    costs.messages_count
from usage
full outer join costs using (tenant_id, waba_id, account_date)
where usage.delivered_count is distinct from costs.messages_count
