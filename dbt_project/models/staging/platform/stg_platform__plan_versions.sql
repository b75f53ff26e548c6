select
    plan_version_id,
    plan_code,
    plan_name,
    version as plan_version,
    currency as plan_currency,
    base_fee,
    minimum_commitment,
    tax_percent
from {{ source('platform', 'plan_versions') }}
