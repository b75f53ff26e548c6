-- messages --
-- The messages of one tenant as published, in id order (warehouse database).
select
    message_id::text as message_id,
    campaign_id::text as campaign_id,
    contact_pseudonym::text as contact_pseudonym,
    phone_number_id,
    category,
    country,
    market,
    state,
    error_code,
    reason,
    planned_at,
    accepted_at,
    sent_at,
    delivered_at,
    read_at,
    failed_at,
    last_event_at,
    delivered_date,
    billing_state,
    billing_reason
from marts.export_messages as m
where m.tenant_id = %(tenant_id)s
    and (%(from)s::date is null or m.last_event_at >= %(from)s::date)
    and (%(to)s::date is null or m.last_event_at < %(to)s::date)
    and (%(campaign_id)s::uuid is null or m.campaign_id = %(campaign_id)s::uuid)
order by m.message_id

-- events --
-- The events of one tenant, in the order they happened (warehouse database).
select
    event_id,
    message_id::text as message_id,
    campaign_id::text as campaign_id,
    contact_pseudonym::text as contact_pseudonym,
    phone_number_id,
    event_type,
    category,
    country,
    market,
    error_code,
    reason,
    attempt_no,
    pricing_type,
    pricing_category,
    occurred_at,
    ingested_at
from staging.stg_events__message_events as e
where e.tenant_id = %(tenant_id)s
    and (%(from)s::date is null or e.occurred_at >= %(from)s::date)
    and (%(to)s::date is null or e.occurred_at < %(to)s::date)
    and (%(campaign_id)s::uuid is null or e.campaign_id = %(campaign_id)s::uuid)
order by e.occurred_at, e.event_id

-- usage --
-- Delivered messages of one tenant by day and billing state, as published (warehouse database).
select
    tenant_date,
    campaign_id::text as campaign_id,
    phone_number_id,
    category,
    country,
    market,
    billing_state,
    billing_reason,
    delivered_count
from marts.export_usage as u
where u.tenant_id = %(tenant_id)s
    and (%(from)s::date is null or u.tenant_date >= %(from)s::date)
    and (%(to)s::date is null or u.tenant_date < %(to)s::date)
    and (%(campaign_id)s::uuid is null or u.campaign_id = %(campaign_id)s::uuid)
order by
    u.tenant_date, u.campaign_id, u.phone_number_id, u.category, u.country, u.market,
    u.billing_state, u.billing_reason

-- invoices --
-- The invoice lines of one tenant, drafts included (live database).
select
    i.invoice_id::text as invoice_id,
    i.period_start,
    i.period_end,
    i.currency,
    i.status,
    l.line_no,
    l.kind,
    l.category,
    l.market,
    l.description,
    l.quantity::text as quantity,
    l.unit_price::text as unit_price,
    l.net::text as net,
    l.tax::text as tax,
    i.inputs_digest
from billing.invoices as i
inner join billing.invoice_lines as l
    on i.tenant_id = l.tenant_id and i.invoice_id = l.invoice_id
where i.tenant_id = %(tenant_id)s
    and (%(from)s::date is null or i.period_start >= %(from)s::date)
    and (%(to)s::date is null or i.period_start < %(to)s::date)
    and %(campaign_id)s::uuid is null
order by i.period_start, i.invoice_id, l.line_no

-- last_publication --
-- The run whose numbers the published marts show (warehouse database).
select run_id, published_at
from ops.publications
order by published_at desc
limit 1

-- list_queued --
-- Exports that wait, or that a dead run left half done, oldest first.
-- cross-tenant: one run serves every tenant's queue
select tenant_id, export_id, dataset, format, filters
from app.exports
where status in ('queued', 'running')
order by requested_at, export_id

-- mark_running --
-- Takes an export to work on.
update app.exports
set status = 'running', failure = null
where tenant_id = %(tenant_id)s and export_id = %(export_id)s and status in ('queued', 'running')

-- mark_ready --
-- The file and its manifest are in place.
update app.exports
set status = 'ready',
    path = %(path)s,
    rows = %(rows)s,
    bytes = %(bytes)s,
    sha256 = %(sha256)s,
    manifest = %(manifest)s,
    finished_at = now(),
    expires_at = now() + interval '30 days'
where tenant_id = %(tenant_id)s and export_id = %(export_id)s

-- mark_failed --
-- The export ended without a file; the reason is safe to show.
update app.exports
set status = 'failed', failure = %(failure)s, finished_at = now()
where tenant_id = %(tenant_id)s and export_id = %(export_id)s

-- upsert_standard --
-- The standing export of a tenant's dataset: one row a dataset and month, written again each run.
insert into app.exports (
    tenant_id, export_id, dataset, format, filters, status, requested_by
)
values (
    %(tenant_id)s, %(export_id)s, %(dataset)s, %(format)s, %(filters)s, 'queued', 'schedule'
)
on conflict (tenant_id, export_id) do update set
    status = 'queued'
where app.exports.tenant_id = excluded.tenant_id

-- list_finished_today --
-- Exports that ended within a day, to read them back.
-- cross-tenant: the check covers every tenant's exports
select tenant_id, export_id, status, sha256, failure
from app.exports
where status in ('ready', 'failed') and finished_at > now() - interval '1 day'
order by finished_at, export_id
