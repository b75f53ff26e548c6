select
    tenant_id,
    subscription_id,
    plan_version_id,
    valid_from,
    valid_to
from {{ source('platform', 'subscriptions') }}
