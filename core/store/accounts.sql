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
-- The tenant's numbers by id, or one of them; the gravest that holds one back is its state.
with numbers as (
    select
        n.phone_number_id,
        n.waba_id,
        a.portfolio_id,
        n.display_phone_number,
        n.verified_name,
        case
            when app.switch_in_force(n.tenant_id, null, n.phone_number_id) is not null
                then 'stopped'
            when a.blocked_reason is not null then 'blocked'
            when n.paused_until > now() then 'paused'
            when n.granted_per_second < n.throughput_per_second then 'slowed'
            else 'ready'
        end as state,
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
        and (%(phone_number_id)s::text is null or n.phone_number_id = %(phone_number_id)s)
        and (%(after)s::text is null or n.phone_number_id > %(after)s::text)
        and (%(created_from)s::timestamptz is null or n.created_at >= %(created_from)s)
        and (%(created_to)s::timestamptz is null or n.created_at < %(created_to)s)
)

select
    n.phone_number_id,
    n.waba_id,
    n.portfolio_id,
    n.display_phone_number,
    n.verified_name,
    n.state,
    n.quality,
    n.throughput_per_second,
    n.granted_per_second,
    n.paused_until,
    n.pause_reason,
    n.blocked_reason,
    n.synced_at,
    n.created_at
from numbers as n
where %(state)s::text is null or n.state = %(state)s
order by n.phone_number_id
limit %(limit)s

-- list_number_stops --
-- What stopped a number or its account lately, the latest first.
select
    a.kind,
    a.detail,
    a.occurrences,
    a.opened_at,
    a.last_seen_at,
    a.closed_at
from app.alerts as a
where a.tenant_id = %(tenant_id)s
    and (
        (a.kind = 'number_paused' and a.subject = %(phone_number_id)s)
        or (a.kind = 'account_blocked' and a.subject = %(waba_id)s)
    )
    and (a.closed_at is null or a.closed_at > now() - interval '30 days')
order by a.opened_at desc, a.alert_id desc
limit 50

-- count_recent_sends --
-- What became of a number's sends among the tenant's latest 5,000 attempts of 24 hours, from the
-- rows: by the answer, and by the code of it or of the failure that a webhook told later.
with latest as materialized (
    select a.message_id, a.attempt_no, a.outcome, a.error_code, a.claimed_at
    from app.message_attempts as a
    where a.tenant_id = %(tenant_id)s
        and a.message_id >= app.uuid7_floor(now() - interval '24 hours')
    order by a.message_id desc, a.attempt_no desc
    limit 5000
),

sends as (
    select
        l.outcome,
        l.error_code,
        l.claimed_at,
        case
            when l.outcome in ('accepted', 'held')
                and m.state = 'failed'
                and m.attempt_no = l.attempt_no
                then m.error_code
        end as told_code,
        l.outcome in ('accepted', 'held')
        and m.state = 'failed'
        and m.attempt_no = l.attempt_no as failed_later
    from latest as l
    inner join app.messages as m
        on m.tenant_id = %(tenant_id)s
        and l.message_id = m.message_id
        and m.phone_number_id = %(phone_number_id)s
)

select
    s.outcome,
    s.failed_later,
    coalesce(s.told_code, s.error_code) as error_code,
    count(*) as attempts,
    min(s.claimed_at) as since
from sends as s
group by s.outcome, s.failed_later, coalesce(s.told_code, s.error_code)

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
