with messages as (

    select * from {{ ref('int_messages_priced') }}

),

message_accounting as (

    select
        tenant_id,
        tenant_date,
        category,
        billing_state,
        billing_reason,
        count(*) as messages_count
    from messages
    group by tenant_id, tenant_date, category, billing_state, billing_reason

)

select * from message_accounting
