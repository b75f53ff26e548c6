-- answer_opt_outs --
-- Queues the tenant's answer to people who have just withdrawn, with its `planned` event: once in a
-- service window, to whom the ledger still says no, in their language as far as there is a text.
with said as (
    select *
    from unnest(
        %(tenant_ids)s::uuid[], %(phone_number_ids)s::text[], %(contact_ids)s::uuid[],
        %(message_ids)s::uuid[], %(said_ats)s::timestamptz[]
    ) as s (tenant_id, phone_number_id, contact_id, message_id, said_at)
),

due as materialized (
    select
        s.*,
        person.pseudonym,
        person.address,
        person.country,
        number.waba_id,
        account.timezone,
        texts.body
    from said as s
    inner join app.contacts as person
        on s.tenant_id = person.tenant_id
        and s.contact_id = person.contact_id
        and person.erased_at is null
    inner join app.consent_states as state
        on s.tenant_id = state.tenant_id
        and s.contact_id = state.contact_id
        and state.purpose = 'marketing'
        and not state.granted
    inner join app.phone_numbers as number
        on s.tenant_id = number.tenant_id
        and s.phone_number_id = number.phone_number_id
    inner join app.whatsapp_accounts as account
        on number.tenant_id = account.tenant_id
        and number.waba_id = account.waba_id
    cross join lateral (
        select answer.body
        from app.opt_out_answers as answer
        where answer.tenant_id = s.tenant_id
        -- Their own language, else that of their country, else English, else whatever there is.
        order by
            answer.language = left(lower(person.language), 2) desc nulls last,
            answer.language = case when person.country in ('BR', 'PT', 'AO', 'MZ') then 'pt' end
            desc nulls last,
            answer.language = 'en' desc,
            answer.language
        limit 1
    ) as texts
    where s.said_at > now() - interval '24 hours'
),

-- Under the row's lock: of two appliers that hear it together one answers.
answered as (
    insert into app.opt_out_answered as a (tenant_id, phone_number_id, contact_id, answered_at)
    select d.tenant_id, d.phone_number_id, d.contact_id, now()
    from due as d
    order by d.tenant_id, d.phone_number_id, d.contact_id
    on conflict (tenant_id, phone_number_id, contact_id) do update
    set answered_at = excluded.answered_at
    where a.answered_at <= now() - interval '24 hours'
    returning tenant_id, phone_number_id, contact_id
),

queued as (
    insert into app.messages (
        tenant_id, message_id, contact_id, contact_pseudonym, phone_number_id, waba_id, address,
        country, market, kind, category, content, expires_at
    )
    select
        d.tenant_id,
        d.message_id,
        d.contact_id,
        d.pseudonym,
        d.phone_number_id,
        d.waba_id,
        d.address,
        d.country,
        market.market,
        'text',
        'service',
        jsonb_build_object('type', 'text', 'text', jsonb_build_object('body', d.body)),
        -- When the window closes it is no answer any more.
        d.said_at + interval '24 hours'
    from due as d
    inner join answered as a
        on d.tenant_id = a.tenant_id
        and d.phone_number_id = a.phone_number_id
        and d.contact_id = a.contact_id
    left join lateral (
        select map.market
        from billing.market_map as map
        where d.address like '+' || map.calling_prefix || '%%'
            and map.valid @> (now() at time zone d.timezone)::date
        order by length(map.calling_prefix) desc
        limit 1
    ) as market on true
    returning
        tenant_id, message_id, contact_pseudonym, waba_id, phone_number_id, category, country,
        market, created_at
)

insert into raw.message_events (
    tenant_id, message_id, contact_pseudonym, waba_id, phone_number_id, event_type, category,
    country, market, occurred_at
)
select
    q.tenant_id, q.message_id, q.contact_pseudonym, q.waba_id, q.phone_number_id, 'planned',
    q.category, q.country, q.market, q.created_at
from queued as q

-- list_refusals --
-- Who of these people has withdrawn from marketing.
select s.contact_id
from app.consent_states as s
where s.tenant_id = any(%(tenant_ids)s::uuid[])
    and s.contact_id = any(%(contact_ids)s::uuid[])
    and s.purpose = 'marketing'
    and not s.granted

-- list_answers --
-- The tenant's answers to who withdraws.
select a.language, a.body
from app.opt_out_answers as a
where a.tenant_id = %(tenant_id)s
order by a.language

-- delete_answers --
-- Takes the tenant's answers away: nothing is answered any more.
delete from app.opt_out_answers
where tenant_id = %(tenant_id)s

-- insert_answers --
-- The tenant's answers, one a language.
insert into app.opt_out_answers (tenant_id, language, body)
select %(tenant_id)s, i.language, i.body
from unnest(%(languages)s::text[], %(bodies)s::text[]) as i (language, body)
