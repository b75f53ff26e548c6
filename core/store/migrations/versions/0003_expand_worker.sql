-- Claims and outcomes. Expand only.

alter table app.messages
    -- Claims in a row that ended with their worker and not with an outcome. What keeps crashing
    -- workers is claimed alone from the second on, and by nobody after the fifth.
    add column lost_claims smallint not null default 0;

-- How fast one number may write to one person: 1 in 6 s, 45 at once (Meta, about the platform,
-- 2026-09-11). `paid_until` is when the pair will have paid for all it was granted; a message costs
-- 6 s, and the credit ends at 270 s. `granted` says to the claim what the last asking got.
-- Unlogged: after a crash of PostgreSQL every pair starts with its whole burst, and Meta's 131056
-- holds back what was too much; nothing else depends on it. The settler deletes what is paid.
create unlogged table app.pair_paces (
    tenant_id uuid not null,
    phone_number_id text not null,
    contact_id uuid not null,
    paid_until timestamptz not null,
    granted smallint not null,
    primary key (tenant_id, phone_number_id, contact_id)
) with (fillfactor = 70);
select ops.protect_tenant_table('app.pair_paces');
grant insert, update, delete on app.pair_paces to carteiro_worker;

-- How many messages a pair may send at an instant: 45 when it owes nothing, one less for each 6 s
-- it owes.
create function app.pair_credit(paid_until timestamptz, at timestamptz) returns smallint
    language sql immutable parallel safe
    return greatest(
        0, floor(extract(epoch from at + interval '270 seconds' - greatest(paid_until, at)) / 6)
    )::smallint;
revoke execute on function app.pair_credit(timestamptz, timestamptz) from public;
grant execute on function app.pair_credit(timestamptz, timestamptz) to carteiro_worker;

-- An attempt number that never left is used again; its row then says how that one ended.
grant update on app.message_attempts to carteiro_worker;
