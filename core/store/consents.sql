-- record_consents --
-- Appends ledger entries and carries the newest of each person and purpose into the state.
with incoming as (
    select *
    from unnest(
        %(consent_ids)s::uuid[],
        %(contact_ids)s::uuid[],
        %(purposes)s::text[],
        %(actions)s::text[]
    ) as i (consent_id, contact_id, purpose, action)
),

ledger as (
    insert into app.consents (
        tenant_id, consent_id, contact_id, purpose, action, channel, text_version, evidence,
        occurred_at
    )
    select
        %(tenant_id)s, i.consent_id, i.contact_id, i.purpose, i.action, %(channel)s,
        %(text_version)s, %(evidence)s::jsonb, %(occurred_at)s
    from incoming as i
    returning contact_id, purpose, action, consent_id, occurred_at
)

insert into app.consent_states as s (
    tenant_id, contact_id, purpose, granted, consent_id, occurred_at
)
select
    %(tenant_id)s, l.contact_id, l.purpose, l.action = 'granted', l.consent_id, l.occurred_at
from ledger as l
on conflict (tenant_id, contact_id, purpose) do update
set
    granted = excluded.granted,
    consent_id = excluded.consent_id,
    occurred_at = excluded.occurred_at
-- An entry about the past never overturns a later one; a tie goes to the revocation.
where excluded.occurred_at > s.occurred_at
    or (excluded.occurred_at = s.occurred_at and not excluded.granted)

-- get_consent_states --
-- What the ledger says now of these people for one purpose.
select s.contact_id, s.granted
from app.consent_states as s
where s.tenant_id = %(tenant_id)s
    and s.purpose = %(purpose)s
    and s.contact_id = any(%(contact_ids)s::uuid[])

-- get_sending_permission --
-- Whether one person may be written to for a purpose, and which ledger entry says so.
select
    s.granted,
    s.consent_id,
    (
        select x.reason
        from app.suppressions as x
        where x.tenant_id = c.tenant_id
            and x.contact_id = c.contact_id
            and (x.until is null or x.until > now())
    ) as suppressed_for
from app.contacts as c
left join app.consent_states as s
    on c.tenant_id = s.tenant_id and c.contact_id = s.contact_id and s.purpose = %(purpose)s
where c.tenant_id = %(tenant_id)s and c.contact_id = %(contact_id)s

-- list_consents --
-- One person's ledger, newest entry first.
select
    c.consent_id,
    c.purpose,
    c.action,
    c.channel,
    c.text_version,
    c.evidence,
    c.occurred_at,
    c.recorded_at
from app.consents as c
where c.tenant_id = %(tenant_id)s
    and c.contact_id = %(contact_id)s
    and (%(after)s::uuid is null or c.consent_id < %(after)s::uuid)
order by c.consent_id desc
limit %(limit)s

-- list_consent_states --
-- What holds now for one person, by purpose.
select s.purpose, s.granted, s.consent_id, s.occurred_at
from app.consent_states as s
where s.tenant_id = %(tenant_id)s and s.contact_id = %(contact_id)s
order by s.purpose
