-- append_entry --
-- Adds the entry of a request, once its transaction has written anything; no row before that.
insert into app.audit_entries (
    tenant_id, actor, actor_kind, operation, target_kind, target_id, request_id, address_digest,
    details
)
select
    %(tenant_id)s::uuid,
    %(actor)s,
    %(actor_kind)s,
    %(operation)s,
    %(target_kind)s,
    %(target_id)s,
    %(request_id)s::uuid,
    %(address_digest)s::bytea,
    %(details)s::jsonb
where pg_current_xact_id_if_assigned() is not null

-- record_entry --
-- Adds an entry, whether or not anything else was written.
insert into app.audit_entries (
    tenant_id, actor, actor_kind, operation, target_kind, target_id, request_id, address_digest,
    details
)
values (
    %(tenant_id)s, %(actor)s, %(actor_kind)s, %(operation)s, %(target_kind)s, %(target_id)s,
    %(request_id)s, %(address_digest)s, %(details)s
)

-- append_operator_entry --
-- Adds an entry for a command that has written and said nothing of it itself.
-- cross-tenant: an operator's command may concern every tenant
insert into app.audit_entries (
    tenant_id, actor, actor_kind, operation, target_kind, target_id
)
select
    %(tenant_id)s::uuid,
    %(actor)s,
    'operator',
    %(operation)s,
    'platform',
    'platform'
where pg_current_xact_id_if_assigned() is not null
    and not exists (
        select 1
        from app.audit_entries as e
        where e.entry_id >= app.uuid7_floor(now() - interval '1 second')
            and e.xmin = pg_current_xact_id_if_assigned()::xid
    )

-- find_owner --
-- Whose a thing is, by its kind and id; no row for what no tenant owns.
-- cross-tenant: an operator names things by their id alone
select a.tenant_id
from app.whatsapp_accounts as a
where %(kind)s = 'account' and a.waba_id = %(thing_id)s
union all
select n.tenant_id
from app.phone_numbers as n
where %(kind)s = 'number' and n.phone_number_id = %(thing_id)s
union all
select t.tenant_id
from app.templates as t
where t.template_id = case when %(kind)s = 'template' then %(thing_id)s::uuid end
union all
select l.tenant_id
from app.alerts as l
where l.alert_id = case when %(kind)s = 'alert' then %(thing_id)s::uuid end
union all
select d.tenant_id
from ops.dead_tickets as d
where d.dead_ticket_id
    = case when %(kind)s = 'ticket' then split_part(%(thing_id)s, ':', 2)::uuid end
union all
select q.tenant_id
from raw.webhook_quarantine as q
where q.quarantine_id
    = case when %(kind)s = 'webhook' then split_part(%(thing_id)s, ':', 2)::bigint end
limit 1

-- list_entries --
-- A tenant's entries, the newest first.
select
    e.entry_id,
    e.at,
    e.actor,
    e.actor_kind,
    e.operation,
    e.target_kind,
    e.target_id,
    e.request_id,
    encode(e.address_digest, 'hex') as address_digest,
    e.outcome,
    e.details,
    e.sequence,
    encode(e.entry_hash, 'hex') as entry_hash
from app.audit_entries as e
where e.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or e.entry_id < %(after)s::uuid)
    and e.entry_id >= %(first_id)s
    and e.entry_id < %(end_id)s
    and (%(created_from)s::timestamptz is null or e.at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or e.at < %(created_to)s)
    and (%(actor)s::text is null or e.actor = %(actor)s)
    and (%(operation)s::text is null or e.operation = %(operation)s)
    and (%(target_kind)s::text is null or e.target_kind = %(target_kind)s)
    and (%(target_id)s::text is null or e.target_id = %(target_id)s)
order by e.entry_id desc
limit %(limit)s

-- lead_sealing --
-- Whether this transaction may seal: one at a time.
select pg_try_advisory_xact_lock(hashtext('carteiro.audit_sealer')) as leads

-- list_unsealed --
-- What is in no chain yet, the oldest first.
-- cross-tenant: one sealer serves every tenant
select
    e.tenant_id,
    e.entry_id,
    e.at,
    e.actor,
    e.actor_kind,
    e.operation,
    e.target_kind,
    e.target_id,
    e.request_id,
    e.address_digest,
    e.outcome,
    e.details
from app.audit_entries as e
where e.sequence is null
order by e.entry_id
limit %(limit)s

-- list_heads --
-- Where the chains of some tenants end.
select
    h.tenant_id,
    h.sequence,
    h.entry_hash
from app.audit_heads as h
where h.tenant_id = any(%(tenant_ids)s::uuid[])

-- seal_entries --
-- Puts entries at their places.
update app.audit_entries as e
set
    sequence = l.sequence,
    previous_hash = l.previous_hash,
    entry_hash = l.entry_hash
from unnest(
    %(tenant_ids)s::uuid[], %(entry_ids)s::uuid[], %(sequences)s::bigint[],
    %(previous_hashes)s::bytea[], %(entry_hashes)s::bytea[]
) as l (tenant_id, entry_id, sequence, previous_hash, entry_hash)
where e.tenant_id = l.tenant_id
    and e.entry_id = l.entry_id
    and e.entry_id >= %(lowest)s
    and e.entry_id <= %(highest)s
    and e.sequence is null

-- move_heads --
-- Moves the heads of chains on.
insert into app.audit_heads (tenant_id, sequence, entry_hash)
select l.tenant_id, l.sequence, l.entry_hash
from unnest(%(tenant_ids)s::uuid[], %(sequences)s::bigint[], %(entry_hashes)s::bytea[])
    as l (tenant_id, sequence, entry_hash)
on conflict (tenant_id) do update
    set
        sequence = excluded.sequence,
        entry_hash = excluded.entry_hash,
        sealed_at = clock_timestamp()

-- measure_lag --
-- How long the oldest entry waits for its seal, in seconds; 0 when none waits.
-- cross-tenant: one sealer serves every tenant
select coalesce(
    extract(epoch from clock_timestamp() - (
        select e.at
        from app.audit_entries as e
        where e.sequence is null
        order by e.entry_id
        limit 1
    )),
    0
)::float8 as seconds

-- keep_partitions --
-- Creates the months ahead, drops those whose time is over; returns how many were created.
select ops.keep_audit_partitions(now(), %(days_ahead)s, %(keep_months)s)

-- list_chains --
-- Every chain with its ends, or the chain of one tenant.
-- cross-tenant: an operator checks every chain
select
    h.tenant_id,
    tenant.slug,
    h.sequence,
    h.entry_hash,
    h.anchor_sequence,
    h.anchor_hash
from app.audit_heads as h
left join app.tenants as tenant on h.tenant_id = tenant.tenant_id
where %(tenant_id)s::uuid is null or h.tenant_id = %(tenant_id)s::uuid
order by tenant.slug nulls first, h.tenant_id

-- list_headless --
-- Tenants with sealed entries and no head of their chain.
-- cross-tenant: an operator checks every chain
select distinct e.tenant_id
from app.audit_entries as e
where e.sequence is not null
    and not exists (
        select 1
        from app.audit_heads as h
        where h.tenant_id = e.tenant_id
    )

-- read_chain --
-- Sealed entries in the order of their chain, from a place on.
select
    e.tenant_id,
    e.entry_id,
    e.at,
    e.actor,
    e.actor_kind,
    e.operation,
    e.target_kind,
    e.target_id,
    e.request_id,
    e.address_digest,
    e.outcome,
    e.details,
    e.sequence,
    e.previous_hash,
    e.entry_hash
from app.audit_entries as e
where e.tenant_id = %(tenant_id)s
    and e.sequence is not null
    and (e.sequence, e.entry_id) > (%(after_sequence)s, %(after_id)s)
order by e.sequence, e.entry_id
limit %(limit)s

-- list_latest --
-- What was done last in one chain, or in all; for operators.
-- cross-tenant: an operator looks after every tenant
select
    e.tenant_id,
    tenant.slug,
    e.at,
    e.actor,
    e.operation,
    e.target_kind,
    e.target_id,
    e.details,
    e.sequence
from app.audit_entries as e
left join app.tenants as tenant on e.tenant_id = tenant.tenant_id
where (%(tenant_id)s::uuid is null or e.tenant_id = %(tenant_id)s::uuid)
    and (%(actor)s::text is null or e.actor = %(actor)s)
    and (%(operation)s::text is null or e.operation = %(operation)s)
    and (%(target_id)s::text is null or e.target_id = %(target_id)s)
order by e.entry_id desc
limit %(limit)s
