-- list_invoices --
-- The tenant's invoices, newest first.
select
    i.invoice_id,
    i.period_start,
    i.period_end,
    i.period_timezone,
    i.currency,
    i.status,
    i.parked_reasons,
    i.net,
    i.tax,
    i.total,
    i.created_at,
    i.updated_at
from billing.invoices as i
where i.tenant_id = %(tenant_id)s
    and (
        %(after_id)s::uuid is null
        or (i.period_start, i.invoice_id) < (%(after_at)s::date, %(after_id)s::uuid)
    )
    and (%(created_from)s::timestamptz is null or i.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or i.created_at < %(created_to)s)
    and (%(state)s::text is null or i.status = %(state)s::text)
order by i.period_start desc, i.invoice_id desc
limit %(limit)s

-- get_invoice --
-- One invoice with the plan version it was rated by.
select
    i.invoice_id,
    i.period_start,
    i.period_end,
    i.period_timezone,
    i.period_start_at,
    i.period_end_at,
    i.currency,
    i.status,
    i.parked_reasons,
    i.net,
    i.tax,
    i.total,
    i.inputs_digest,
    i.created_at,
    i.updated_at,
    p.code as plan,
    v.version as plan_version
from billing.invoices as i
inner join billing.plan_versions as v on i.plan_version_id = v.plan_version_id
inner join billing.plans as p on v.plan_id = p.plan_id
where i.tenant_id = %(tenant_id)s and i.invoice_id = %(invoice_id)s

-- list_invoice_lines --
-- The lines of one invoice, in its order.
select
    l.line_no,
    l.kind,
    l.category,
    l.market,
    l.description,
    l.quantity,
    l.unit_price,
    l.net,
    l.tax,
    l.explanation
from billing.invoice_lines as l
where l.tenant_id = %(tenant_id)s and l.invoice_id = %(invoice_id)s
order by l.line_no
