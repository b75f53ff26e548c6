select
    tenant_id,
    campaign_id,
    phone_number_id,
    name as campaign_name,
    category,
    status as campaign_status,
    created_at,
    launched_at
from {{ source('platform', 'campaigns') }}
