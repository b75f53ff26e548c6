-- insert_single_messages --
-- Messages outside any campaign, queued, each with its `planned` event.
with message as (
    insert into app.messages (
        tenant_id, message_id, contact_id, contact_pseudonym, phone_number_id, waba_id, address,
        country, market, kind, template_id, category, content, expires_at, request_id
    )
    select
        %(tenant_id)s,
        w.message_id,
        w.contact_id,
        w.contact_pseudonym,
        w.phone_number_id,
        w.waba_id,
        w.address,
        w.country,
        w.market,
        w.kind,
        w.template_id,
        w.category,
        w.content,
        w.expires_at,
        app.current_request_id()
    from jsonb_to_recordset(%(messages)s::jsonb) as w (
        message_id uuid, contact_id uuid, contact_pseudonym uuid, phone_number_id text,
        waba_id text, address text, country text, market text, kind text, template_id uuid,
        category text, content jsonb, expires_at timestamptz
    )
    returning
        tenant_id, message_id, contact_pseudonym, waba_id, phone_number_id, category, country,
        market, created_at
)

insert into raw.message_events (
    tenant_id, message_id, contact_pseudonym, waba_id, phone_number_id, event_type, category,
    country, market, occurred_at
)
select
    m.tenant_id, m.message_id, m.contact_pseudonym, m.waba_id, m.phone_number_id, 'planned',
    m.category, m.country, m.market, m.created_at
from message as m

-- list_market_rows --
-- The dated map from calling prefixes to Meta's markets.
select
    m.calling_prefix, m.iso, m.market, lower(m.valid) as valid_from, upper(m.valid) as valid_to
from billing.market_map as m

-- list_senders --
-- The accounts behind some of the tenant's numbers, and those accounts' zones.
select n.phone_number_id, n.waba_id, a.timezone
from app.phone_numbers as n
inner join app.whatsapp_accounts as a on n.tenant_id = a.tenant_id and n.waba_id = a.waba_id
where n.tenant_id = %(tenant_id)s and n.phone_number_id = any(%(phone_number_ids)s::text[])

-- list_messages --
-- Messages, newest first, by time, campaign, contact and state when asked.
select
    m.message_id,
    m.campaign_id,
    m.contact_id,
    m.phone_number_id,
    m.kind,
    m.template_id,
    m.category,
    m.country,
    m.market,
    m.state,
    m.exclusion_reason,
    m.reason,
    m.error_code,
    m.conflict,
    m.attempt_no,
    m.billable,
    m.created_at,
    m.state_changed_at
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.message_id >= %(first_id)s
    and m.message_id < %(end_id)s
    and (%(after)s::uuid is null or m.message_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or m.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or m.created_at < %(created_to)s)
    and (%(campaign_id)s::uuid is null or m.campaign_id = %(campaign_id)s::uuid)
    and (%(contact_id)s::uuid is null or m.contact_id = %(contact_id)s::uuid)
    and (%(state)s::text is null or m.state = %(state)s::text)
    -- Says the same again where an index can answer it: no index names the state itself.
    and (
        app.message_work(%(state)s::text) is null
        or m.work = app.message_work(%(state)s::text)
    )
order by m.message_id desc
limit %(limit)s

-- get_message --
-- One message with what its explanation needs.
select
    m.message_id,
    m.campaign_id,
    m.contact_id,
    m.phone_number_id,
    m.waba_id,
    m.address,
    m.country,
    m.market,
    m.kind,
    m.template_id,
    m.category,
    m.content,
    m.state,
    m.exclusion_reason,
    m.reason,
    m.error_code,
    m.conflict,
    m.attempt_no,
    m.billable,
    m.pricing_model,
    m.pricing_type,
    m.pricing_category,
    m.created_at,
    m.state_changed_at,
    m.expires_at,
    m.accepted_at,
    m.sent_at,
    m.delivered_at,
    m.read_at,
    m.failed_at
from app.messages as m
where m.tenant_id = %(tenant_id)s and m.message_id = %(message_id)s

-- list_attempts --
-- Every attempt to send a message, first to last.
select
    a.attempt_no,
    a.outcome,
    a.claimed_at,
    a.requested_at,
    a.answered_at,
    a.http_status,
    a.error_code,
    a.error_subcode,
    a.error_detail,
    a.fbtrace_id
from app.message_attempts as a
where a.tenant_id = %(tenant_id)s and a.message_id = %(message_id)s
order by a.attempt_no

-- list_events --
-- Everything that became of a message, in the order we learned it.
select
    e.event_type,
    e.occurred_at,
    e.ingested_at,
    e.attempt_no,
    e.error_code,
    e.reason,
    e.billable,
    e.pricing_model,
    e.pricing_type,
    e.pricing_category
from raw.message_events as e
where e.tenant_id = %(tenant_id)s and e.message_id = %(message_id)s
order by e.ingested_at, e.event_id

-- list_status_webhooks --
-- The statuses Meta reported of a message, each counted once.
select k.status, k.occurred_at, k.applied_at
from app.message_wamids as w
inner join app.status_keys as k on w.tenant_id = k.tenant_id and w.wamid = k.wamid
where w.tenant_id = %(tenant_id)s and w.message_id = %(message_id)s
order by k.applied_at, k.occurred_at

-- get_template_pin --
-- The template a message was built from, and what its campaign pinned.
select
    t.name,
    t.language,
    t.category,
    t.status,
    t.version_hash as present_version_hash,
    c.template_version_hash as pinned_version_hash
from app.templates as t
left join app.campaigns as c
    on c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s
where t.tenant_id = %(tenant_id)s and t.template_id = %(template_id)s

-- get_consent_used --
-- The newest ledger entry for a purpose that was there when the message was made.
select c.consent_id, c.purpose, c.action, c.channel, c.text_version, c.occurred_at
from app.consents as c
where c.tenant_id = %(tenant_id)s
    and c.contact_id = %(contact_id)s
    and c.purpose = %(purpose)s
    and c.recorded_at <= %(as_of)s
order by c.occurred_at desc, c.consent_id desc
limit 1
