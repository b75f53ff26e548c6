-- tenants --
-- Tenants with their clock and currency; no names of people.
-- cross-tenant: the warehouse holds every tenant
select tenant_id, slug, name, timezone, currency, status
from app.tenants
order by tenant_id

-- whatsapp_accounts --
-- WhatsApp accounts with their clock and currency; no token.
-- cross-tenant: the warehouse holds every tenant
select tenant_id, waba_id, portfolio_id, name, timezone, currency
from app.whatsapp_accounts
order by tenant_id, waba_id

-- phone_numbers --
-- Business numbers by their id at Meta.
-- cross-tenant: the warehouse holds every tenant
select tenant_id, phone_number_id, waba_id, display_phone_number, verified_name
from app.phone_numbers
order by tenant_id, phone_number_id

-- campaigns --
-- Campaigns and where they stand.
-- cross-tenant: the warehouse holds every tenant
select tenant_id, campaign_id, name, phone_number_id, category, status, created_at, launched_at
from app.campaigns
order by tenant_id, campaign_id

-- plan_versions --
-- Every version of every plan.
select
    v.plan_version_id, p.code as plan_code, p.name as plan_name, v.version, v.currency, v.base_fee,
    v.minimum_commitment, v.tax_percent
from billing.plan_versions as v
inner join billing.plans as p on v.plan_id = p.plan_id
order by v.plan_version_id

-- plan_prices --
-- The prices of every plan version.
select plan_version_id, category, market, model, tiers::text, rate_percent, included_quantity
from billing.plan_prices
order by plan_version_id, category, market

-- subscriptions --
-- Who is on which plan version, by days of the tenant's zone.
-- cross-tenant: the warehouse holds every tenant
select
    tenant_id, subscription_id, plan_version_id, lower(valid) as valid_from,
    upper(valid) as valid_to
from billing.subscriptions
order by tenant_id, subscription_id

-- meta_rates --
-- Meta's rates with the days they are valid, of the account's zone.
select
    rate_id, market, currency, category, tier_from, tier_to, rate, lower(valid) as valid_from,
    upper(valid) as valid_to, source
from billing.meta_rates
order by rate_id

-- market_map --
-- Meta's calling codes by market and date.
select calling_prefix, iso, market, lower(valid) as valid_from, upper(valid) as valid_to
from billing.market_map
order by calling_prefix, iso, valid

-- meta_policies --
-- Meta's dated rules of what is charged.
select
    policy_id, category, pricing_type, charged, rate_category, free_quota_per_number_month,
    lower(valid) as valid_from, upper(valid) as valid_to, source
from billing.meta_policies
order by policy_id

-- account_tokens --
-- Accounts with their encrypted tokens, to ask Meta for what it counted.
-- cross-tenant: the data path asks for every account
select tenant_id, waba_id, timezone, access_token_encrypted
from app.whatsapp_accounts
order by tenant_id, waba_id

-- tenant_clocks --
-- The zone of each tenant.
-- cross-tenant: the rollup serves every tenant
select tenant_id, timezone
from app.tenants
order by tenant_id

-- account_clocks --
-- The zone of each WhatsApp account.
-- cross-tenant: the rollup serves every tenant
select tenant_id, waba_id, timezone
from app.whatsapp_accounts
order by tenant_id, waba_id
