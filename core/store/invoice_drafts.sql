-- lock_invoice --
-- The invoice of a tenant's period, held until the transaction ends.
select invoice_id, status, inputs_digest
from billing.invoices
where tenant_id = %(tenant_id)s
    and period_start = %(period_start)s
    and period_end = %(period_end)s
for update

-- upsert_invoice --
-- Writes a draft or parked invoice; a final one is never touched.
insert into billing.invoices as i (
    tenant_id, invoice_id, period_start, period_end, period_timezone, period_start_at,
    period_end_at, currency, status, parked_reasons, plan_version_id, net, tax, total,
    inputs_digest, run_id
)
values (
    %(tenant_id)s, %(invoice_id)s, %(period_start)s, %(period_end)s, %(period_timezone)s,
    %(period_start_at)s, %(period_end_at)s, %(currency)s, %(status)s, %(parked_reasons)s,
    %(plan_version_id)s, %(net)s, %(tax)s, %(total)s, %(inputs_digest)s, %(run_id)s
)
on conflict (tenant_id, invoice_id) do update set
    period_timezone = excluded.period_timezone,
    period_start_at = excluded.period_start_at,
    period_end_at = excluded.period_end_at,
    currency = excluded.currency,
    status = excluded.status,
    parked_reasons = excluded.parked_reasons,
    plan_version_id = excluded.plan_version_id,
    net = excluded.net,
    tax = excluded.tax,
    total = excluded.total,
    inputs_digest = excluded.inputs_digest,
    run_id = excluded.run_id,
    updated_at = now()
where i.tenant_id = excluded.tenant_id and i.status <> 'final'

-- delete_lines --
-- Removes the lines of a draft before its new ones are written.
delete from billing.invoice_lines
where tenant_id = %(tenant_id)s and invoice_id = %(invoice_id)s

-- insert_line --
-- One line of an invoice.
insert into billing.invoice_lines (
    tenant_id, invoice_id, line_no, kind, category, market, description, quantity, unit_price,
    net, tax, explanation
)
values (
    %(tenant_id)s, %(invoice_id)s, %(line_no)s, %(kind)s, %(category)s, %(market)s,
    %(description)s, %(quantity)s, %(unit_price)s, %(net)s, %(tax)s, %(explanation)s
)

-- sum_lines --
-- What the stored lines of an invoice add up to.
select coalesce(sum(net), 0) as net, coalesce(sum(tax), 0) as tax, count(*) as lines
from billing.invoice_lines
where tenant_id = %(tenant_id)s and invoice_id = %(invoice_id)s

-- list_drafts --
-- Invoices that are not final, newest period first.
-- cross-tenant: finance and the run's summary see every tenant
select
    t.slug, i.period_start, i.currency, i.net, i.tax, i.total, i.status, i.parked_reasons
from billing.invoices as i
inner join app.tenants as t on i.tenant_id = t.tenant_id
where i.status <> 'final'
order by i.period_start desc, t.slug

-- published_drafts --
-- The invoices the published marts would give, with the lines of each as JSON in their order.
-- cross-tenant: the data path writes every tenant's draft (warehouse database)
select
    d.tenant_id, d.period_start, d.period_end, d.period_timezone, d.period_start_at,
    d.period_end_at, d.plan_version_id, d.currency, d.currencies_count, d.net, d.tax, d.total,
    d.delivered_count, d.billed_count, d.free_count, d.held_count, d.unknown_count
from marts.invoice_drafts as d
order by d.tenant_id, d.period_start

-- published_lines --
-- The lines of one tenant's period in the published marts (warehouse database).
select
    line_no, kind, category, price_market as market, description, quantity, unit_price, net, tax,
    explanation
from marts.invoice_draft_lines
where tenant_id = %(tenant_id)s and period_start = %(period_start)s
order by line_no
