-- The audit chain: who changed what, in entries that are only ever added (docs/audit.md).

-- Written in the transaction of the change. The tenant 00000000-0000-0000-0000-000000000000 stands
-- for the platform: what an operator did that concerns no single tenant.
create table app.audit_entries (
    tenant_id uuid not null,
    -- Both are the database's: no role that writes entries may say when it wrote them.
    entry_id uuid not null default app.new_uuid7(),
    at timestamptz not null default clock_timestamp(),
    actor text not null check (length(actor) between 1 and 200),
    actor_kind text not null check (actor_kind in ('user', 'api_key', 'operator', 'system')),
    -- The operation's name in the OpenAPI document, or the operator's command.
    operation text not null check (length(operation) between 1 and 200),
    target_kind text not null check (length(target_kind) between 1 and 64),
    target_id text not null check (length(target_id) between 1 and 200),
    request_id uuid,
    -- Keyed: the same address twice is told, the address is not.
    address_digest bytea check (length(address_digest) = 16),
    outcome text not null default 'done' check (outcome in ('done', 'refused')),
    -- Ids, names of fields, counts; never personal data.
    details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
    -- Filled once, by the sealer.
    sequence bigint check (sequence > 0),
    previous_hash bytea check (length(previous_hash) = 32),
    entry_hash bytea check (length(entry_hash) = 32),
    primary key (tenant_id, entry_id),
    check (
        (sequence is null) = (entry_hash is null) and (sequence is null) = (previous_hash is null)
    )
) partition by range (entry_id);
create index audit_entries_unsealed on app.audit_entries (entry_id) where sequence is null;
create index audit_entries_in_chain on app.audit_entries (tenant_id, sequence);
create index audit_entries_by_target on app.audit_entries (tenant_id, target_id, entry_id);
create index audit_entries_by_actor on app.audit_entries (tenant_id, actor, entry_id);
create index audit_entries_by_operation on app.audit_entries (tenant_id, operation, entry_id);
create table app.audit_entries_default partition of app.audit_entries default;

-- Where each chain ends now, and where it begins: the last entry that retention has dropped.
create table app.audit_heads (
    tenant_id uuid primary key,
    sequence bigint not null,
    entry_hash bytea not null check (length(entry_hash) = 32),
    sealed_at timestamptz not null default clock_timestamp(),
    anchor_sequence bigint not null default 0,
    anchor_hash bytea not null default decode(repeat('00', 32), 'hex')
        check (length(anchor_hash) = 32)
);

create function app.guard_audit_entry() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' then
        if old.sequence is null and new.sequence is not null
            and (
                new.tenant_id, new.entry_id, new.at, new.actor, new.actor_kind, new.operation,
                new.target_kind, new.target_id, new.outcome, new.details
            ) = (
                old.tenant_id, old.entry_id, old.at, old.actor, old.actor_kind, old.operation,
                old.target_kind, old.target_id, old.outcome, old.details
            )
            and new.request_id is not distinct from old.request_id
            and new.address_digest is not distinct from old.address_digest
        then
            return new;
        end if;
    end if;
    raise exception 'audit entries are only added' using errcode = 'restrict_violation';
end
$$;
create trigger only_added before update or delete on app.audit_entries
    for each row execute function app.guard_audit_entry();
create trigger never_emptied before truncate on app.audit_entries
    for each statement execute function app.guard_audit_entry();
create trigger never_emptied before truncate on app.audit_entries_default
    for each statement execute function app.guard_audit_entry();

create function app.guard_audit_head() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' then
        if new.tenant_id = old.tenant_id
            and new.anchor_sequence >= old.anchor_sequence
            and (
                new.sequence > old.sequence
                or (new.sequence = old.sequence and new.entry_hash = old.entry_hash)
            )
        then
            return new;
        end if;
    end if;
    raise exception 'the head of an audit chain only moves on' using errcode = 'restrict_violation';
end
$$;
create trigger only_moved_on before update or delete on app.audit_heads
    for each row execute function app.guard_audit_head();
create trigger never_emptied before truncate on app.audit_heads
    for each statement execute function app.guard_audit_head();

-- ---------------------------------------------------------------------------------------------
-- Partitions by month on the entry's id
-- ---------------------------------------------------------------------------------------------

-- Creates the months from the last one to `days_ahead`; drops those that ended over `keep_months`
-- ago, five years at the least, once they are sealed, and notes where their chains go on. Returns
-- how many were created.
create function ops.keep_audit_partitions(
    as_of timestamptz, days_ahead integer, keep_months integer
) returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    this_month date := date_trunc('month', as_of at time zone 'UTC')::date;
    last_day date := (as_of at time zone 'UTC')::date + days_ahead;
    month date;
    name text;
    old record;
    unsealed boolean;
    created integer := 0;
begin
    if keep_months < 60 then
        raise exception 'audit entries are kept for five years' using errcode = 'restrict_violation';
    end if;
    perform pg_advisory_xact_lock(hashtext('carteiro.keep_audit_partitions'));
    for month in
        select m::date
        from generate_series(this_month - interval '1 month', last_day, interval '1 month') as m
    loop
        name := 'audit_entries_' || to_char(month, 'YYYYMM');
        continue when to_regclass('app.' || name) is not null;
        begin
            execute format(
                'create table app.%I (like app.audit_entries including defaults'
                ' including constraints)', name);
            execute format(
                'create trigger never_emptied before truncate on app.%I'
                ' for each statement execute function app.guard_audit_entry()', name);
            execute format(
                'alter table app.audit_entries attach partition app.%I for values from (%L) to (%L)',
                name,
                app.uuid7_floor(month::timestamp at time zone 'UTC'),
                app.uuid7_floor((month + interval '1 month')::timestamp at time zone 'UTC'));
            created := created + 1;
        exception when check_violation then
            raise warning 'partition % must wait: rows of it are in the default', name;
        end;
    end loop;
    for old in
        select c.relname
        from pg_inherits as i
        inner join pg_class as c on i.inhrelid = c.oid
        where i.inhparent = to_regclass('app.audit_entries')
            and c.relname ~ '^audit_entries_[0-9]{6}$'
            and to_date(right(c.relname, 6), 'YYYYMM')
                < this_month - make_interval(months => keep_months)
        order by c.relname
    loop
        execute format('select exists (select 1 from app.%I where sequence is null)', old.relname)
            into unsealed;
        continue when unsealed;
        execute format(
            'update app.audit_heads as h'
            ' set anchor_sequence = l.sequence, anchor_hash = l.entry_hash'
            ' from (select distinct on (tenant_id) tenant_id, sequence, entry_hash'
            ' from app.%I order by tenant_id, sequence desc) as l'
            ' where h.tenant_id = l.tenant_id and l.sequence > h.anchor_sequence', old.relname);
        execute format('drop table app.%I', old.relname);
    end loop;
    return created;
end
$$;
revoke execute on function ops.keep_audit_partitions(timestamptz, integer, integer) from public;
grant execute on function ops.keep_audit_partitions(timestamptz, integer, integer)
    to carteiro_worker, carteiro_operator;

-- ---------------------------------------------------------------------------------------------
-- What operators did before
-- ---------------------------------------------------------------------------------------------

create function ops.as_audit_tenant(known text) returns uuid
    language sql immutable parallel safe
    return coalesce(
        case when known ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then known::uuid end,
        '00000000-0000-0000-0000-000000000000'
    );
revoke execute on function ops.as_audit_tenant(text) from public;
grant execute on function ops.as_audit_tenant(text) to carteiro_operator;

select ops.keep_audit_partitions(m, 45, 60)
from generate_series(
    coalesce((select min(recorded_at) from ops.audit_entries), now()), now(), interval '1 month'
) as m;
select ops.keep_audit_partitions(now(), 45, 60);

insert into app.audit_entries (
    tenant_id, entry_id, at, actor, actor_kind, operation, target_kind, target_id, details
)
select
    ops.as_audit_tenant(case when action = 'tenant.rules_set' then subject
        else detail ->> 'tenant_id' end),
    app.new_uuid7(recorded_at), recorded_at, 'operator:' || actor, 'operator', action,
    split_part(action, '.', 1), subject, detail
from ops.audit_entries
order by entry_id;

-- A release from before this table writes its entries there: they must reach the chain, too.
create function ops.carry_audit_entry() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    insert into app.audit_entries (
        tenant_id, actor, actor_kind, operation, target_kind, target_id, details
    )
    values (
        ops.as_audit_tenant(case when new.action = 'tenant.rules_set' then new.subject
            else new.detail ->> 'tenant_id' end),
        'operator:' || new.actor, 'operator', new.action, split_part(new.action, '.', 1),
        new.subject, new.detail
    );
    return null;
end
$$;
create trigger carry_on after insert on ops.audit_entries
    for each row execute function ops.carry_audit_entry();

-- ---------------------------------------------------------------------------------------------
-- Row-level security and grants
-- ---------------------------------------------------------------------------------------------

select ops.protect_tenant_table('app.audit_entries');
select ops.protect_tenant_table('app.audit_heads');
-- The anchor is moved by the function above, as its owner.
create policy retention on app.audit_heads to carteiro_owner using (true) with check (true);
grant select on app.audit_entries, app.audit_heads to carteiro_app;
grant insert (
    tenant_id, actor, actor_kind, operation, target_kind, target_id, request_id, address_digest,
    outcome, details
) on app.audit_entries to carteiro_app, carteiro_worker, carteiro_operator;
grant update (sequence, previous_hash, entry_hash) on app.audit_entries to carteiro_worker;
grant insert (tenant_id, sequence, entry_hash), update (sequence, entry_hash, sealed_at)
    on app.audit_heads to carteiro_worker;
