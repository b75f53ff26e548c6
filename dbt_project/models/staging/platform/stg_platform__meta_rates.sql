select
    rate_id,
    market,
    currency,
    category,
    tier_from,
    tier_to,
    rate,
    valid_from,
    valid_to,
    source as rate_source
from {{ source('platform', 'meta_rates') }}
