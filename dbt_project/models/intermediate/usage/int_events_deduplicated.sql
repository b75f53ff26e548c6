with events as (

    select * from {{ ref('stg_events__message_events') }}

),

first_of_each_fact as (

    -- The live path writes a fact once; should it ever write it twice, the first one counts.
    select distinct on (tenant_id, message_id, event_type) *
    from events
    order by tenant_id, message_id, event_type, occurred_at, event_id

)

select * from first_of_each_fact
