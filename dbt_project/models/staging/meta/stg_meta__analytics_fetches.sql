select
    tenant_id,
    waba_id,
    first_date,
    last_date,
    outcome,
    fetched_at
from {{ source('meta', 'analytics_fetches') }}
