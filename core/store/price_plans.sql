-- upsert_plan --
-- The plan of a code; its versions hold the prices.
insert into billing.plans (plan_id, code, name)
values (%(plan_id)s, %(code)s, %(name)s)
on conflict (plan_id) do nothing

-- insert_version --
-- One version of a plan; a version never changes once it exists.
insert into billing.plan_versions (
    plan_version_id, plan_id, version, currency, base_fee, minimum_commitment, tax_percent
)
values (
    %(plan_version_id)s, %(plan_id)s, %(version)s, %(currency)s, %(base_fee)s,
    %(minimum_commitment)s, %(tax_percent)s
)
on conflict (plan_version_id) do nothing

-- insert_price --
-- The price of one category and market in a plan version.
insert into billing.plan_prices (
    plan_version_id, category, market, model, tiers, rate_percent, included_quantity
)
values (
    %(plan_version_id)s, %(category)s, %(market)s, %(model)s, %(tiers)s, %(rate_percent)s,
    %(included_quantity)s
)
on conflict (plan_version_id, category, market) do nothing

-- find_latest_version --
-- The newest version of a plan by its code.
select v.plan_version_id
from billing.plan_versions as v
inner join billing.plans as p on v.plan_id = p.plan_id
where p.code = %(code)s
order by v.version desc
limit 1

-- insert_subscription --
-- Puts a tenant on a plan version from a day of its own zone on; the same call twice is one row.
insert into billing.subscriptions (tenant_id, subscription_id, plan_version_id, valid)
values (
    %(tenant_id)s, %(subscription_id)s, %(plan_version_id)s,
    daterange(%(valid_from)s::date, null)
)
on conflict (tenant_id, subscription_id) do nothing

-- list_plans --
-- Every plan version with its base fee.
select p.code, p.name, v.version, v.currency, v.base_fee, v.minimum_commitment, v.tax_percent
from billing.plan_versions as v
inner join billing.plans as p on v.plan_id = p.plan_id
order by p.code, v.version
