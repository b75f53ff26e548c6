-- claim_messages --
-- Moves what may be sent now of one ticket to sending; refuses who opted out since the plan.
with candidates as materialized (
    select
        m.message_id,
        case
            when m.expires_at <= now() then 'too_late'
            when consent.granted is false then 'opted_out'
            when suppression.contact_id is not null then 'suppressed'
        end as refusal
    from app.messages as m
    inner join app.tenants as tenant on m.tenant_id = tenant.tenant_id
    inner join app.phone_numbers as number
        on m.tenant_id = number.tenant_id
        and m.phone_number_id = number.phone_number_id
    inner join app.whatsapp_accounts as account
        on number.tenant_id = account.tenant_id
        and number.waba_id = account.waba_id
    left join app.campaigns as campaign
        on m.tenant_id = campaign.tenant_id
        and m.campaign_id = campaign.campaign_id
    left join app.templates as template
        on m.tenant_id = template.tenant_id
        and m.template_id = template.template_id
    left join app.consent_states as consent
        on m.tenant_id = consent.tenant_id
        and m.contact_id = consent.contact_id
        and m.category = consent.purpose
    left join app.suppressions as suppression
        on m.tenant_id = suppression.tenant_id
        and m.contact_id = suppression.contact_id
        and (suppression.until is null or suppression.until > now())
    where m.tenant_id = %(tenant_id)s
        and m.message_id = any(%(message_ids)s::uuid[])
        -- The bounds prune partitions, which an array parameter cannot.
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and m.phone_number_id = %(phone_number_id)s
        and m.state = 'queued'
        and (m.not_before is null or m.not_before <= now())
        and tenant.status = 'active'
        and (number.paused_until is null or number.paused_until <= now())
        and account.blocked_reason is null
        and (m.campaign_id is null or campaign.status = 'running')
        -- Too late is too late, also under a halted template.
        and (template.halted_reason is null or m.expires_at <= now())
    order by m.message_id
    for update of m skip locked
),

refused as (
    update app.messages as m
    set
        state = case c.refusal when 'too_late' then 'expired' else 'cancelled' end,
        reason = c.refusal,
        state_changed_at = now()
    from candidates as c
    where m.tenant_id = %(tenant_id)s
        and m.message_id = c.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and c.refusal is not null
    returning m.*
),

refusals as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, attempt_no, occurred_at
    )
    select
        r.tenant_id, r.message_id, r.campaign_id, r.contact_pseudonym, r.waba_id,
        r.phone_number_id, r.state, r.category, r.country, r.market, r.reason, r.attempt_no, now()
    from refused as r
),

claimed as (
    update app.messages as m
    set
        state = 'sending',
        attempt_no = m.attempt_no + 1,
        claimed_by = %(worker)s,
        claimed_at = now(),
        lease_until = now() + make_interval(secs => %(lease_seconds)s),
        not_before = null,
        state_changed_at = now()
    from candidates as c
    where m.tenant_id = %(tenant_id)s
        and m.message_id = c.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and c.refusal is null
    returning
        m.message_id, m.attempt_no, m.contact_id, m.template_id, m.waba_id, m.address, m.content,
        m.claimed_at
)

select
    message_id, attempt_no, contact_id, template_id, waba_id, address, content, claimed_at
from claimed
order by message_id

-- lock_messages --
-- Locks messages in the one order that workers and appliers share.
select m.message_id
from app.messages as m
where m.tenant_id = any(%(tenant_ids)s::uuid[])
    and m.message_id = any(%(message_ids)s::uuid[])
    and m.message_id >= %(lowest)s
    and m.message_id <= %(highest)s
order by m.message_id
for update

-- record_outcomes --
-- Writes what became of a ticket's sends: attempts, wamids, states and each event exactly once.
with outcomes as materialized (
    select *
    from unnest(
        %(message_ids)s::uuid[],
        %(attempt_nos)s::smallint[],
        %(outcomes)s::text[],
        %(states)s::text[],
        %(wamids)s::text[],
        %(error_codes)s::integer[],
        %(not_befores)s::timestamptz[],
        %(claimed_ats)s::timestamptz[],
        %(requested_ats)s::timestamptz[],
        %(answered_ats)s::timestamptz[],
        %(http_statuses)s::smallint[],
        %(error_subcodes)s::integer[],
        %(error_details)s::text[],
        %(fbtrace_ids)s::text[]
    ) as o (
        message_id, attempt_no, outcome, state, wamid, error_code, not_before, claimed_at,
        requested_at, answered_at, http_status, error_subcode, error_detail, fbtrace_id
    )
),

-- The caller has locked them (lock_messages), so nobody changes them meanwhile.
known as materialized (
    select
        m.message_id, m.state, m.reason, m.attempt_no, m.accepted_at, m.wamid
    from app.messages as m
    where m.tenant_id = %(tenant_id)s
        and m.message_id = any(%(message_ids)s::uuid[])
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
),

judged as materialized (
    select
        o.*,
        case
            -- Acceptance counts for whoever still waits to learn it, also when this attempt was
            -- given up: it proves that no other attempt may follow.
            when o.state in ('accepted', 'held') then
                k.accepted_at is null
                and (
                    (k.state = 'sending' and k.attempt_no = o.attempt_no)
                    or k.state in ('queued', 'in_doubt')
                    or k.reason = 'unconfirmed'
                )
            when o.state = 'in_doubt' then k.attempt_no = o.attempt_no and k.state = 'sending'
            else k.attempt_no = o.attempt_no and k.state in ('sending', 'in_doubt')
        end as applies,
        k.wamid is not null and o.wamid is not null and k.wamid <> o.wamid as sent_twice
    from outcomes as o
    inner join known as k on o.message_id = k.message_id
),

moved as (
    update app.messages as m
    set
        state = j.state,
        reason = null,
        error_code = j.error_code,
        wamid = coalesce(m.wamid, j.wamid),
        accepted_at = case
            when j.state in ('accepted', 'held') then j.answered_at else m.accepted_at
        end,
        failed_at = case when j.state = 'failed' then j.answered_at end,
        in_doubt_since = case when j.state = 'in_doubt' then now() end,
        not_before = j.not_before,
        lease_until = null,
        state_changed_at = now()
    from judged as j
    where m.tenant_id = %(tenant_id)s
        and m.message_id = j.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and j.applies
    returning m.*
),

-- A webhook was faster, or a second attempt got through: the state stays, the facts are kept.
noted as (
    update app.messages as m
    set
        wamid = coalesce(m.wamid, j.wamid),
        conflict = case when j.sent_twice then 'sent_twice' else m.conflict end
    from judged as j
    where m.tenant_id = %(tenant_id)s
        and m.message_id = j.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and not j.applies
        and j.wamid is not null
        and (m.wamid is null or j.sent_twice)
    returning j.sent_twice
),

attempts as (
    insert into app.message_attempts (
        tenant_id, message_id, attempt_no, outcome, claimed_at, requested_at, answered_at,
        http_status, error_code, error_subcode, error_detail, fbtrace_id, worker
    )
    select
        %(tenant_id)s, o.message_id, o.attempt_no, o.outcome, o.claimed_at, o.requested_at,
        o.answered_at, o.http_status, o.error_code, o.error_subcode, o.error_detail, o.fbtrace_id,
        %(worker)s
    from outcomes as o
    on conflict (tenant_id, message_id, attempt_no) do nothing
),

identified as (
    insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)
    select %(tenant_id)s, o.wamid, o.message_id, o.attempt_no
    from outcomes as o
    where o.wamid is not null
    order by o.wamid
    on conflict (tenant_id, wamid) do nothing
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, error_code, attempt_no, occurred_at
    )
    select
        m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id,
        m.phone_number_id, m.state, m.category, m.country, m.market, m.error_code, j.attempt_no,
        coalesce(j.answered_at, now())
    from moved as m
    inner join judged as j on m.message_id = j.message_id
    where m.state <> 'queued'
)

select
    (select count(*) from moved) as moved,
    (select count(*) from noted where sent_twice) as sent_twice

-- link_identities --
-- Remembers addresses Meta answered with; an address that belongs to somebody never moves.
insert into app.contact_identities (tenant_id, kind, value, contact_id)
select %(tenant_id)s, o.kind, o.value, o.contact_id
from unnest(%(kinds)s::text[], %(identities)s::text[], %(contact_ids)s::uuid[])
    as o (kind, value, contact_id)
order by o.kind, o.value
on conflict (tenant_id, kind, value) do nothing

-- get_account_token --
-- The encrypted access token of a number's account.
select account.access_token_encrypted
from app.whatsapp_accounts as account
where account.tenant_id = %(tenant_id)s
    and account.waba_id = %(waba_id)s

-- is_outdated --
-- Whether a stop was lifted after the evidence for it, or the refused token replaced meanwhile.
select
    exists (
        select 1
        from app.alerts as a
        where a.tenant_id = %(tenant_id)s
            and a.kind = %(kind)s
            and a.subject = %(subject)s
            and a.closed_at > %(occurred_at)s
    )
    or exists (
        select 1
        from app.whatsapp_accounts as account
        where account.tenant_id = %(tenant_id)s
            and account.waba_id = %(waba_id)s
            and account.access_token_encrypted <> %(refused_token)s::bytea
    ) as is_outdated

-- slow_number --
-- Multiplicative decrease after 130429, at most once a second however many sends met it.
update app.phone_numbers
set
    granted_per_second = greatest(1, round(granted_per_second * 0.7, 2)),
    throttled_at = now()
where tenant_id = %(tenant_id)s
    and phone_number_id = %(phone_number_id)s
    and (throttled_at is null or throttled_at < now() - interval '1 second')

-- pause_number --
-- Stops claims on a number for some seconds, or until somebody lifts it (the year 9999: Python
-- cannot read infinity).
update app.phone_numbers
set
    paused_until = greatest(
        coalesce(paused_until, now()),
        coalesce(now() + make_interval(secs => %(seconds)s::double precision), '9999-01-01'::timestamptz)
    ),
    pause_reason = %(reason)s
where tenant_id = %(tenant_id)s
    and phone_number_id = %(phone_number_id)s

-- halt_template --
-- Stops claims on a template; a template webhook or a person lifts it.
update app.templates
set halted_reason = %(reason)s
where tenant_id = %(tenant_id)s
    and template_id = %(template_id)s
    and halted_reason is null

-- block_account --
-- Opens the breaker of an account: nothing is claimed on any of its numbers.
update app.whatsapp_accounts
set
    blocked_reason = %(reason)s,
    blocked_at = now()
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and blocked_reason is null

-- suppress_contact --
-- Keeps a person out of every send until an instant (null: until somebody lifts it).
insert into app.suppressions (tenant_id, contact_id, reason, error_code, until)
values (
    %(tenant_id)s, %(contact_id)s, %(reason)s, %(error_code)s,
    now() + make_interval(secs => %(seconds)s::double precision)
)
on conflict (tenant_id, contact_id) do update
set
    reason = excluded.reason,
    error_code = excluded.error_code,
    suppressed_at = now(),
    until = excluded.until

-- open_alert --
-- Tells people; one open row a subject, which counts how often it was met.
insert into app.alerts (tenant_id, alert_id, kind, subject, detail)
values (%(tenant_id)s, %(alert_id)s, %(kind)s, %(subject)s, %(detail)s)
on conflict (tenant_id, kind, subject) where closed_at is null do update
set
    occurrences = alerts.occurrences + 1,
    last_seen_at = now(),
    detail = excluded.detail
