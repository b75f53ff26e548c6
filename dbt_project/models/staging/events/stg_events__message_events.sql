with events as (

    select * from {{ source('events', 'message_events') }}

),

codes as (

    select * from {{ source('events', 'event_codes') }}

),

decoded as (

    select
        -- ids
        events.tenant_id,
        events.message_id,
        events.event_id,
        events.campaign_id,
        events.contact_pseudonym,
        events.waba_id,
        events.phone_number_id,

        -- what happened
        types.name as event_type,
        events.event_type_code,
        categories.name as category,
        events.country,
        events.market,
        events.error_code,
        events.reason,
        events.attempt_no,

        -- what Meta said about the price
        events.billable as is_billable,
        events.pricing_model,
        pricing_types.name as pricing_type,
        pricing_categories.name as pricing_category,

        -- when
        events.occurred_at,
        events.ingested_at,
        events.ingest_date
    from events
    left join codes as types
        on types.kind = 'event_type' and events.event_type_code = types.code
    left join codes as categories
        on categories.kind = 'category' and events.category_code = categories.code
    left join codes as pricing_types
        on pricing_types.kind = 'pricing_type' and events.pricing_type_code = pricing_types.code
    left join codes as pricing_categories
        on
            pricing_categories.kind = 'category'
            and events.pricing_category_code = pricing_categories.code

)

select * from decoded
