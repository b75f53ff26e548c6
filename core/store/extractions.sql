-- take_transaction_id --
-- An id above that of every transaction that had one by now, and the time of the server.
select pg_current_xact_id()::text as ceiling, clock_timestamp() as read_at

-- read_horizon --
-- Below this id every transaction is over and seen by this snapshot.
select pg_snapshot_xmin(pg_current_snapshot())::text as horizon

-- freeze_snapshot --
-- The first statement of an extraction: one snapshot for the horizon and for every row.
set transaction isolation level repeatable read read only

-- count_day --
-- Events of one ingest day whose transaction is over, and how far their ids go.
-- cross-tenant: a day of the lake holds every tenant
select
    count(*) as events,
    min(event_id) as min_event_id,
    max(event_id) as max_event_id
from raw.message_events
where ingested_at >= %(day_start)s
    and ingested_at < %(day_end)s
    and xid < %(horizon)s::xid8

-- select_day --
-- One ingest day, whole, in the order of the lake; only transactions that are over.
-- cross-tenant: a day of the lake holds every tenant
select
    event_id,
    schema_version,
    ingested_at,
    occurred_at,
    tenant_id,
    message_id,
    campaign_id,
    contact_pseudonym,
    waba_id,
    phone_number_id,
    event_type,
    category,
    country,
    market,
    billable,
    pricing_model,
    pricing_type,
    pricing_category,
    error_code,
    reason,
    attempt_no
from raw.message_events
where ingested_at >= %(day_start)s
    and ingested_at < %(day_end)s
    and xid < %(horizon)s::xid8
order by tenant_id, occurred_at, event_id

-- find_extraction --
-- The ledger row of one day: what the lake holds of it.
select
    rows, min_event_id, max_event_id, bytes, sha256, horizon::text, closes_at::text, closed, run_id
from ops.extractions
where table_name = %(table_name)s and ingest_date = %(ingest_date)s

-- record_extraction --
-- Writes the ledger row of a day; a later read of the same day replaces it.
insert into ops.extractions (
    table_name, ingest_date, run_id, rows, min_event_id, max_event_id, bytes, sha256, files,
    horizon, closes_at, closed
)
values (
    %(table_name)s, %(ingest_date)s, %(run_id)s, %(rows)s, %(min_event_id)s, %(max_event_id)s,
    %(bytes)s, %(sha256)s, %(files)s, %(horizon)s::xid8, %(closes_at)s::xid8, %(closed)s
)
on conflict (table_name, ingest_date) do update set
    run_id = excluded.run_id,
    rows = excluded.rows,
    min_event_id = excluded.min_event_id,
    max_event_id = excluded.max_event_id,
    bytes = excluded.bytes,
    sha256 = excluded.sha256,
    files = excluded.files,
    horizon = excluded.horizon,
    closes_at = excluded.closes_at,
    closed = excluded.closed,
    extracted_at = now()

-- list_extractions --
-- Every day the lake holds, oldest first.
select ingest_date, rows, bytes, sha256, closed, extracted_at
from ops.extractions
where table_name = %(table_name)s
order by ingest_date

-- ensure_partitions --
-- Creates the partitions of the coming days; returns how many were missing.
select ops.ensure_partitions(now(), %(days_ahead)s)

-- count_default_rows --
-- Rows that found no partition: each count must be 0, the DEFAULT partition is an alarm.
-- cross-tenant: counts rows of every tenant
select
    (select count(*) from app.messages_default) as messages,
    (select count(*) from app.message_attempts_default) as message_attempts,
    (select count(*) from raw.message_events_default) as message_events,
    (select count(*) from raw.webhook_bodies_default) as webhook_bodies
