-- list_accounts --
-- The tenant's WhatsApp accounts with the sealed tokens a sync needs.
select a.waba_id, a.access_token_encrypted
from app.whatsapp_accounts as a
where a.tenant_id = %(tenant_id)s
order by a.waba_id

-- get_account --
-- One of the tenant's accounts with its sealed token.
select a.waba_id, a.access_token_encrypted
from app.whatsapp_accounts as a
where a.tenant_id = %(tenant_id)s and a.waba_id = %(waba_id)s

-- list_numbers --
-- The tenant's numbers by id, with what holds them back.
select
    n.phone_number_id,
    n.waba_id,
    n.display_phone_number,
    n.verified_name,
    n.quality,
    n.throughput_per_second,
    n.granted_per_second,
    n.paused_until,
    n.pause_reason,
    a.blocked_reason,
    n.synced_at,
    n.created_at
from app.phone_numbers as n
inner join app.whatsapp_accounts as a on n.tenant_id = a.tenant_id and n.waba_id = a.waba_id
where n.tenant_id = %(tenant_id)s
    and (%(after)s::text is null or n.phone_number_id > %(after)s::text)
    and (%(created_from)s::timestamptz is null or n.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or n.created_at < %(created_to)s)
order by n.phone_number_id
limit %(limit)s

-- insert_account --
-- A WhatsApp account of a tenant; nothing when somebody has it already.
insert into app.whatsapp_accounts (
    tenant_id, waba_id, portfolio_id, name, timezone, currency, access_token_encrypted
)
values (
    %(tenant_id)s, %(waba_id)s, %(portfolio_id)s, %(name)s, %(timezone)s, %(currency)s,
    %(access_token_encrypted)s
)
on conflict do nothing
returning waba_id

-- upsert_number --
-- A number as Meta describes it; what the pacer granted stays when the ceiling is unchanged.
insert into app.phone_numbers as n (
    tenant_id, phone_number_id, waba_id, display_phone_number, verified_name, quality,
    throughput_per_second, granted_per_second, synced_at
)
values (
    %(tenant_id)s, %(phone_number_id)s, %(waba_id)s, %(display_phone_number)s, %(verified_name)s,
    %(quality)s, %(throughput_per_second)s, %(throughput_per_second)s, %(synced_at)s
)
on conflict (tenant_id, phone_number_id) do update
set
    waba_id = excluded.waba_id,
    display_phone_number = excluded.display_phone_number,
    verified_name = excluded.verified_name,
    quality = excluded.quality,
    throughput_per_second = excluded.throughput_per_second,
    granted_per_second = case
        when n.throughput_per_second = excluded.throughput_per_second then n.granted_per_second
        else excluded.granted_per_second
    end,
    synced_at = excluded.synced_at
returning n.phone_number_id, (xmax = 0) as created
