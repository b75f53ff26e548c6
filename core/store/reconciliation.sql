-- list_of_accounts --
-- Our volume and cost against Meta's, a row an account, country, category and pricing type.
select
    r.tenant_id,
    a.name as account,
    r.account_date,
    r.country,
    r.category,
    r.pricing_type,
    r.our_volume,
    r.meta_volume,
    r.our_cost,
    r.meta_cost,
    r.currency,
    r.break_type,
    r.owner,
    r.money_at_stake
from marts.meta_reconciliation as r
inner join raw.whatsapp_accounts as a
    on r.tenant_id = a.tenant_id and r.waba_id = a.waba_id
where r.waba_id = any(%(waba_ids)s)
order by a.name, r.account_date, r.country, r.category, r.pricing_type
