select
    calling_prefix,
    iso as country,
    market,
    valid_from,
    valid_to
from {{ source('platform', 'market_map') }}
