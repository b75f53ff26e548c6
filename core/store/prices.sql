-- list_rates --
-- Meta's list rates on a day, first tier, by market and category.
select
    r.market,
    r.category,
    r.rate
from billing.meta_rates as r
where r.currency = %(currency)s
    and r.tier_from = 1
    and r.valid @> %(on_day)s::date

-- list_policies --
-- What Meta charges at all for a category on a day, by how the message comes about.
select
    p.pricing_type,
    p.charged,
    p.rate_category
from billing.meta_policies as p
where p.category = %(category)s and p.valid @> %(on_day)s::date

-- get_number_account --
-- In which currency Meta charges what a number sends, and the zone of its days.
select a.currency, a.timezone
from app.phone_numbers as n
inner join app.whatsapp_accounts as a on n.tenant_id = a.tenant_id and n.waba_id = a.waba_id
where n.tenant_id = %(tenant_id)s and n.phone_number_id = %(phone_number_id)s

-- get_campaign --
-- What the price of a campaign depends on, and what its last plan counted.
select
    c.created_at,
    c.status,
    coalesce(c.category, t.category) as category,
    a.currency,
    a.timezone,
    greatest(now(), c.scheduled_at) as send_at,
    c.plan -> 'cost' -> 'lines' as lines,
    coalesce((c.plan ->> 'dry_run')::boolean, false) as is_dry_run
from app.campaigns as c
inner join app.templates as t on c.tenant_id = t.tenant_id and c.template_id = t.template_id
inner join app.phone_numbers as n
    on c.tenant_id = n.tenant_id
    and c.phone_number_id = n.phone_number_id
inner join app.whatsapp_accounts as a on n.tenant_id = a.tenant_id and n.waba_id = a.waba_id
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s
