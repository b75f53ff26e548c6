select
    tenant_id,
    waba_id,
    account_date,
    country,
    pricing_category,
    pricing_type,
    volume,
    cost,
    fetched_at
from {{ source('meta', 'pricing_analytics') }}
