select
    plan_version_id,
    category,
    market as price_market,
    model as price_model,
    tiers,
    rate_percent,
    included_quantity
from {{ source('platform', 'plan_prices') }}
