select
    policy_id,
    category,
    pricing_type,
    rate_category,
    charged as is_charged,
    free_quota_per_number_month,
    valid_from,
    valid_to,
    source as policy_source
from {{ source('platform', 'meta_policies') }}
