select
    tenant_id,
    waba_id,
    portfolio_id,
    name as account_name,
    timezone as account_timezone,
    currency as account_currency
from {{ source('platform', 'whatsapp_accounts') }}
