-- Switches and quarantines: what an operator stops, and what could not be processed.

-- Who changed what by hand; nobody may update or delete a row.
create table ops.audit_entries (
    entry_id bigint generated always as identity primary key,
    recorded_at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null,
    subject text not null,
    detail jsonb not null default '{}'
);
grant select on ops.audit_entries to carteiro_data, carteiro_operator;
grant insert on ops.audit_entries to carteiro_operator;

-- Broker messages that no worker could read, or that died as often as the broker allows. Their
-- messages are still queued in app.messages: this is evidence, not the only copy of work.
create table ops.dead_tickets (
    dead_ticket_id uuid primary key,
    reason text not null,
    -- null: the bytes are no ticket.
    tenant_id uuid,
    phone_number_id text,
    message_ids uuid[],
    body bytea not null,
    occurrences integer not null default 1,
    buried_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    resolved_at timestamptz,
    resolution text check (resolution in ('redriven', 'discarded', 'nothing_left')),
    resolved_by text,
    check ((resolved_at is null) = (resolution is null))
);
create index dead_tickets_open on ops.dead_tickets (buried_at) where resolved_at is null;
grant select, insert, update on ops.dead_tickets to carteiro_worker, carteiro_operator;
grant select on ops.dead_tickets to carteiro_data;

alter table raw.webhook_quarantine
    add column resolution text check (resolution in ('redriven', 'discarded')),
    add column resolved_by text;
create index webhook_quarantine_open on raw.webhook_quarantine (quarantine_id)
    where resolved_at is null;
grant update (resolved_at, resolution, resolved_by) on raw.webhook_quarantine
    to carteiro_operator;
grant insert, select on raw.webhook_queue to carteiro_operator;

-- The API's one question about switches: until when it must not change anything.
create function app.read_only_until() returns timestamptz
    language sql stable security definer set search_path = pg_catalog, pg_temp
    return (
        select max(s.expires_at)
        from ops.switches as s
        where s.scope = 'api_read_only' and s.lifted_at is null and s.expires_at > now()
    );
revoke execute on function app.read_only_until() from public;
grant execute on function app.read_only_until() to carteiro_app;
