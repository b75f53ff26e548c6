select
    tenant_id,
    slug as tenant_slug,
    name as tenant_name,
    timezone as tenant_timezone,
    currency as tenant_currency,
    status as tenant_status
from {{ source('platform', 'tenants') }}
