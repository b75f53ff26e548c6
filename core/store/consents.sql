-- record_words --
-- Appends ledger entries, each once however often said; the newest becomes the state.
-- Every consent and withdrawal of the product is written by this statement.
with incoming as (
    select *
    from unnest(
        %(tenant_ids)s::uuid[],
        %(consent_ids)s::uuid[],
        %(contact_ids)s::uuid[],
        %(purposes)s::text[],
        %(actions)s::text[],
        %(channels)s::text[],
        %(text_versions)s::text[],
        %(evidences)s::jsonb[],
        %(occurred_ats)s::timestamptz[]
    ) as i (
        tenant_id, consent_id, contact_id, purpose, action, channel, text_version, evidence,
        occurred_at
    )
),

ledger as (
    insert into app.consents (
        tenant_id, consent_id, contact_id, purpose, action, channel, text_version, evidence,
        occurred_at
    )
    select
        i.tenant_id, i.consent_id, i.contact_id, i.purpose, i.action, i.channel, i.text_version,
        i.evidence, i.occurred_at
    from incoming as i
    order by i.consent_id
    on conflict (tenant_id, consent_id) do nothing
    returning tenant_id, contact_id, purpose, action, consent_id, occurred_at
)

insert into app.consent_states as s (
    tenant_id, contact_id, purpose, granted, consent_id, occurred_at
)
select distinct on (l.tenant_id, l.contact_id, l.purpose)
    l.tenant_id, l.contact_id, l.purpose, l.action = 'granted', l.consent_id, l.occurred_at
from ledger as l
-- revoked sorts after granted: a tie goes to the withdrawal.
order by l.tenant_id, l.contact_id, l.purpose, l.occurred_at desc, l.action desc
on conflict (tenant_id, contact_id, purpose) do update
set
    granted = excluded.granted,
    consent_id = excluded.consent_id,
    occurred_at = excluded.occurred_at
-- An entry about the past never overturns a later one; a tie goes to the revocation. Meta tells
-- whole seconds: a "stop" of the second in which somebody agreed came after it.
where excluded.occurred_at > s.occurred_at
    or (not excluded.granted and excluded.occurred_at >= date_trunc('second', s.occurred_at))

-- get_consent_states --
-- What the ledger says now of these people for one purpose.
select s.contact_id, s.granted
from app.consent_states as s
where s.tenant_id = %(tenant_id)s
    and s.purpose = %(purpose)s
    and s.contact_id = any(%(contact_ids)s::uuid[])

-- hold_recipients --
-- Nobody of these people is merged or erased before the transaction ends.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s and c.contact_id = any(%(contact_ids)s::uuid[])
order by c.contact_id
for key share

-- list_recipients --
-- For each wanted message by its place from 0: whom it goes to, whether they may be written to for
-- its purpose, and what a row needs to know of them.
select
    (w.place - 1)::integer as position,
    c.contact_id,
    c.address,
    c.country,
    c.pseudonym,
    s.granted,
    (
        select x.reason
        from app.suppressions as x
        where x.tenant_id = %(tenant_id)s
            and x.contact_id = w.contact_id
            and app.suppressed_as(
                x.until, x.marketing_until, x.needs_phone, w.purpose, c.address, now()
            ) is not null
    ) as suppressed_for
from unnest(%(contact_ids)s::uuid[], %(purposes)s::text[])
    with ordinality as w (contact_id, purpose, place)
inner join app.contacts as c
    on c.tenant_id = %(tenant_id)s
    and w.contact_id = c.contact_id
    and c.erased_at is null
left join app.consent_states as s
    on s.tenant_id = %(tenant_id)s
    and w.contact_id = s.contact_id
    and w.purpose = s.purpose

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
    and (%(created_from)s::timestamptz is null or c.recorded_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or c.recorded_at < %(created_to)s)
order by c.consent_id desc
limit %(limit)s

-- list_proven_consents --
-- One person's whole ledger, oldest first, each with the audit entry that was written with it.
select
    c.consent_id,
    c.purpose,
    c.action,
    c.channel,
    c.text_version,
    c.evidence,
    c.occurred_at,
    c.recorded_at,
    case
        when e.entry_id is not null
            then jsonb_build_object(
                'entry_id', e.entry_id,
                'actor', e.actor,
                'at', e.at,
                'sequence', e.sequence,
                'entry_hash', encode(e.entry_hash, 'hex')
            )
    end as audit
from app.consents as c
left join app.audit_entries as e
    on c.tenant_id = e.tenant_id
    and e.target_id = c.contact_id::text
    and e.operation = 'record_consent'
    and e.details ->> 'consent_id' = c.consent_id::text
where c.tenant_id = %(tenant_id)s and c.contact_id = %(contact_id)s
order by c.consent_id
limit %(limit)s

-- list_consent_states --
-- What holds now for one person, by purpose.
select s.purpose, s.granted, s.consent_id, s.occurred_at
from app.consent_states as s
where s.tenant_id = %(tenant_id)s and s.contact_id = %(contact_id)s
order by s.purpose

-- list_keywords --
-- The tenant's own words and buttons of withdrawal and agreement.
select k.source, k.written as value, k.action
from app.consent_keywords as k
where k.tenant_id = %(tenant_id)s
order by k.action, k.source, k.written

-- delete_keywords --
-- Makes room for the new set, in the same transaction.
delete from app.consent_keywords
where tenant_id = %(tenant_id)s

-- insert_keywords --
-- The tenant's new set.
insert into app.consent_keywords (tenant_id, source, value, action, written)
select %(tenant_id)s, k.source, k.value, k.action, k.written
from unnest(
    %(sources)s::text[], %(values)s::text[], %(actions)s::text[], %(writtens)s::text[]
) as k (source, value, action, written)
