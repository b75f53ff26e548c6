-- Lines not in minor units are left out of the sum, so that they show as a difference.
with line_sums as (

    select
        tenant_id,
        period_start,
        sum(net) as net,
        sum(tax) as tax
    from {{ ref('invoice_draft_lines') }}
    where
        net = rating.round_money(net, currency)
        and tax = rating.round_money(tax, currency)
    group by tenant_id, period_start

)

select
    drafts.tenant_id,
    drafts.period_start,
    drafts.total,
    line_sums.net,
    line_sums.tax
from {{ ref('invoice_drafts') }} as drafts
left join line_sums
    on drafts.tenant_id = line_sums.tenant_id and drafts.period_start = line_sums.period_start
where drafts.total is distinct from line_sums.net + line_sums.tax
