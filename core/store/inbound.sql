-- list_number_places --
-- Tenant, account and business portfolio of each of these numbers.
-- cross-tenant: the tenant of an update is found here
select
    number.phone_number_id,
    number.tenant_id,
    number.waba_id,
    account.portfolio_id
from app.phone_numbers as number
inner join app.whatsapp_accounts as account
    on number.tenant_id = account.tenant_id
    and number.waba_id = account.waba_id
where number.phone_number_id = any(%(phone_number_ids)s::text[])

-- list_account_places --
-- Tenant and business portfolio of each of these accounts.
-- cross-tenant: the tenant of an update is found here
select
    account.tenant_id,
    account.waba_id,
    account.portfolio_id
from app.whatsapp_accounts as account
where account.waba_id = any(%(waba_ids)s::text[])

-- lock_people --
-- One writer of new people at a time for a tenant, so that one person never becomes two.
select pg_advisory_xact_lock(hashtextextended('carteiro.people.' || %(tenant_id)s::text, 0))

-- find_people --
-- Who is behind these addresses; an address that was given up names nobody who writes.
select
    w.position,
    i.kind,
    i.contact_id
from unnest(
    %(positions)s::integer[], %(tenant_ids)s::uuid[], %(kinds)s::text[], %(values)s::text[],
    %(portfolio_ids)s::text[], %(occurred_ats)s::timestamptz[]
) as w (position, tenant_id, kind, value, portfolio_id, occurred_at)
inner join app.contact_identities as i
    on w.tenant_id = i.tenant_id
    and w.kind = i.kind
    and w.value = i.value
where (i.retired_at is null or i.retired_at > w.occurred_at)
    and (i.kind <> 'bsuid' or i.portfolio_id is null or i.portfolio_id = w.portfolio_id)

-- insert_people --
-- People who wrote first: with an address and no consent to anything.
insert into app.contacts (tenant_id, contact_id, address, country, pseudonym)
select
    t.tenant_id,
    i.contact_id,
    i.address,
    i.country,
    app.pseudonym(t.pseudonym_key, i.contact_id)
from unnest(
    %(tenant_ids)s::uuid[], %(contact_ids)s::uuid[], %(addresses)s::text[], %(countries)s::text[]
) as i (tenant_id, contact_id, address, country)
inner join app.tenants as t on i.tenant_id = t.tenant_id

-- link_people --
-- Remembers addresses. One that somebody has stays theirs, unless they gave it up.
insert into app.contact_identities as known (tenant_id, kind, value, contact_id, portfolio_id)
select distinct on (i.tenant_id, i.kind, i.value)
    i.tenant_id,
    i.kind,
    i.value,
    i.contact_id,
    i.portfolio_id
from unnest(
    %(tenant_ids)s::uuid[], %(kinds)s::text[], %(values)s::text[], %(contact_ids)s::uuid[],
    %(portfolio_ids)s::text[]
) as i (tenant_id, kind, value, contact_id, portfolio_id)
order by i.tenant_id, i.kind, i.value
on conflict (tenant_id, kind, value) do update
set
    contact_id = excluded.contact_id,
    portfolio_id = excluded.portfolio_id,
    retired_at = null
where known.retired_at is not null

-- insert_inbound --
-- Stores messages once however often Meta repeats them; returns those that are new, or live after
-- the history had them.
insert into app.inbound_messages as known (
    tenant_id, inbound_id, phone_number_id, contact_id, wamid, type, body, reply_to_message_id,
    button_payload, media_id, referral, occurred_at, received_at, from_history
)
-- A command must not meet one row twice.
select distinct on (i.tenant_id, i.wamid)
    i.tenant_id,
    i.inbound_id,
    i.phone_number_id,
    i.contact_id,
    i.wamid,
    i.type,
    i.body,
    answered.message_id,
    i.button_payload,
    i.media_id,
    i.referral,
    i.occurred_at,
    i.received_at,
    i.from_history
from unnest(
    %(tenant_ids)s::uuid[],
    %(inbound_ids)s::uuid[],
    %(phone_number_ids)s::text[],
    %(contact_ids)s::uuid[],
    %(wamids)s::text[],
    %(types)s::text[],
    %(bodies)s::text[],
    %(reply_to_wamids)s::text[],
    %(button_payloads)s::text[],
    %(media_ids)s::text[],
    %(referrals)s::jsonb[],
    %(occurred_ats)s::timestamptz[],
    %(received_ats)s::timestamptz[],
    %(from_histories)s::boolean[]
) as i (
    tenant_id, inbound_id, phone_number_id, contact_id, wamid, type, body, reply_to_wamid,
    button_payload, media_id, referral, occurred_at, received_at, from_history
)
left join app.message_wamids as answered
    on i.tenant_id = answered.tenant_id
    and i.reply_to_wamid = answered.wamid
order by i.tenant_id, i.wamid, i.from_history, i.inbound_id
on conflict (tenant_id, wamid) do update
set
    inbound_id = excluded.inbound_id,
    from_history = false
where known.from_history
    and not excluded.from_history
returning inbound_id

-- open_windows --
-- Opens or lengthens service windows: 24 h from what the person said, never shorter than before.
insert into app.service_windows as w (
    tenant_id, phone_number_id, contact_id, opened_at, expires_at, referral_at
)
select
    i.tenant_id,
    i.phone_number_id,
    i.contact_id,
    max(i.occurred_at),
    max(i.occurred_at) + interval '24 hours',
    max(i.occurred_at) filter (where i.referred)
from unnest(
    %(tenant_ids)s::uuid[], %(phone_number_ids)s::text[], %(contact_ids)s::uuid[],
    %(occurred_ats)s::timestamptz[], %(referred)s::boolean[]
) as i (tenant_id, phone_number_id, contact_id, occurred_at, referred)
group by i.tenant_id, i.phone_number_id, i.contact_id
order by i.tenant_id, i.phone_number_id, i.contact_id
on conflict (tenant_id, phone_number_id, contact_id) do update
set
    opened_at = greatest(w.opened_at, excluded.opened_at),
    expires_at = greatest(w.expires_at, excluded.expires_at),
    referral_at = greatest(w.referral_at, excluded.referral_at),
    -- A newer advertisement begins a newer free entry point; the older one's end is kept till then.
    free_entry_until = case
        when excluded.referral_at > w.referral_at then null else w.free_entry_until
    end

-- list_keywords --
-- The words and buttons that these tenants added to ours.
select
    k.tenant_id,
    k.source,
    k.value,
    k.action
from app.consent_keywords as k
where k.tenant_id = any(%(tenant_ids)s::uuid[])

-- retire_addresses --
-- The person gave these up: lists that name them still mean the person, a sender is another.
update app.contact_identities as i
set retired_at = %(at)s
from unnest(%(kinds)s::text[], %(values)s::text[]) as gone (kind, value)
where i.tenant_id = %(tenant_id)s
    and i.contact_id = %(contact_id)s
    and i.kind = gone.kind
    and i.value = gone.value
    and i.retired_at is null

-- move_address --
-- Where a person is written to from now on, and what still waits for them with it.
with moved as (
    update app.contacts as c
    set
        address = %(address)s,
        country = coalesce(%(country)s, c.country),
        updated_at = now()
    where c.tenant_id = %(tenant_id)s
        and c.contact_id = %(contact_id)s
        and c.address = any(%(old_addresses)s::text[])
    returning c.contact_id, c.country, c.timezone
)

-- Also what is under way or has failed: it may be queued again. The claim asks for the address once
-- more; country, market and zone decide before it, in quotes and quiet hours.
update app.messages as m
set
    address = %(address)s,
    country = coalesce(%(country)s, moved.country, m.country),
    market = coalesce(%(market)s, m.market),
    recipient_timezone = coalesce(
        moved.timezone,
        -- As the plan does: only a zone that this server can reckon with.
        (select z.name from pg_timezone_names as z where z.name = %(timezone)s),
        m.recipient_timezone
    )
from moved
where m.tenant_id = %(tenant_id)s
    and m.contact_id = moved.contact_id
    and m.work is not null

-- list_inbox --
-- What people wrote, newest first, by number, contact and time.
select
    m.inbound_id,
    m.phone_number_id,
    m.contact_id,
    m.type,
    m.body as text,
    m.reply_to_message_id,
    m.button_payload,
    m.media_id,
    m.referral,
    m.occurred_at,
    m.received_at,
    m.from_history,
    w.expires_at as window_expires_at
from app.inbound_messages as m
left join app.service_windows as w
    on m.tenant_id = w.tenant_id
    and m.phone_number_id = w.phone_number_id
    and m.contact_id = w.contact_id
where m.tenant_id = %(tenant_id)s
    and (%(phone_number_id)s::text is null or m.phone_number_id = %(phone_number_id)s)
    and (%(contact_id)s::uuid is null or m.contact_id = %(contact_id)s)
    and (%(created_from)s::timestamptz is null or m.occurred_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or m.occurred_at < %(created_to)s)
    and (
        %(after_at)s::timestamptz is null
        or (m.occurred_at, m.inbound_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)
    )
order by m.occurred_at desc, m.inbound_id desc
limit %(limit)s

-- get_inbound --
-- One message of a person.
select
    m.inbound_id,
    m.phone_number_id,
    m.contact_id,
    m.type,
    m.body as text,
    m.reply_to_message_id,
    m.button_payload,
    m.media_id,
    m.referral,
    m.occurred_at,
    m.received_at,
    m.from_history,
    w.expires_at as window_expires_at
from app.inbound_messages as m
left join app.service_windows as w
    on m.tenant_id = w.tenant_id
    and m.phone_number_id = w.phone_number_id
    and m.contact_id = w.contact_id
where m.tenant_id = %(tenant_id)s
    and m.inbound_id = %(inbound_id)s
