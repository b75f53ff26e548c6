-- lock_plan --
-- Whether this transaction may begin or end the campaign's plan; a second planner goes on.
-- cross-tenant: an advisory lock knows no tenant
select pg_try_advisory_xact_lock(hashtextextended(%(campaign_id)s::text, 7243003))

-- give_room --
-- Sorting a million people in memory, and joining them as sets, for this transaction only. Nobody
-- may have analysed the tables since an import of a minute ago: guessing few rows, PostgreSQL then
-- looks through all consents once a person (measured: 10,000 people took minutes, 2026-11-23).
select
    set_config('work_mem', '128MB', true),
    set_config('enable_nestloop', 'off', true)

-- get_progress --
-- Where a plan in the making stands; no row before it has begun.
select
    r.recipe,
    (
        select count(*) filter (where c.done_at is null)
        from app.plan_chunks as c
        where c.tenant_id = r.tenant_id and c.campaign_id = r.campaign_id
    ) as chunks_left
from app.plan_runs as r
where r.tenant_id = %(tenant_id)s and r.campaign_id = %(campaign_id)s

-- survey_audience --
-- The beginnings of the audience's addresses and the zones its people gave: all that market,
-- country and local time depend on.
select
    case when c.address like '+%%' then left(c.address, 8) else left(c.address, 3) end as prefix,
    c.timezone,
    count(*) as people
from app.list_members as m
inner join app.contacts as c
    on m.tenant_id = c.tenant_id
    and m.contact_id = c.contact_id
where m.tenant_id = %(tenant_id)s
    and m.list_id = %(list_id)s
    and c.erased_at is null
group by prefix, c.timezone

-- known_zones --
-- Those of the given zone names that this server can reckon with.
-- cross-tenant: the server's own catalogue
select z.name
from pg_timezone_names as z
where z.name = any(%(zones)s::text[])

-- insert_run --
-- Begins a plan: from here on its recipe is fixed.
insert into app.plan_runs (tenant_id, campaign_id, recipe)
values (%(tenant_id)s, %(campaign_id)s, %(recipe)s)

-- insert_chunks --
-- Cuts the audience into pieces of equal size, in the order of the contacts.
with numbered as (
    select
        m.contact_id,
        row_number() over (order by m.contact_id) - 1 as place,
        count(*) over () as people
    from app.list_members as m
    where m.tenant_id = %(tenant_id)s and m.list_id = %(list_id)s
),

firsts as (
    select
        n.contact_id,
        n.place / %(chunk_size)s as chunk_no,
        least(%(chunk_size)s, n.people - n.place) as people
    from numbered as n
    where mod(n.place, %(chunk_size)s) = 0
)

insert into app.plan_chunks (
    tenant_id, campaign_id, chunk_no, first_contact_id, end_contact_id, people
)
select
    %(tenant_id)s, %(campaign_id)s, f.chunk_no, f.contact_id,
    lead(f.contact_id) over (order by f.chunk_no), f.people
from firsts as f

-- mark_duplicates --
-- One person with two contacts: the older one is kept, and bears the other one's refusals.
with audience as materialized (
    select
        c.contact_id,
        c.created_at,
        c.address,
        app.person_key(c.address) as person_key
    from app.list_members as m
    inner join app.contacts as c
        on m.tenant_id = c.tenant_id
        and m.contact_id = c.contact_id
    where m.tenant_id = %(tenant_id)s
        and m.list_id = %(list_id)s
        and c.erased_at is null
),

others as (
    select
        a.contact_id,
        a.created_at,
        app.person_key(
            case i.kind when 'bsuid' then i.value else '+' || ltrim(i.value, '+') end
        ) as person_key,
        a.person_key as own_key
    from audience as a
    inner join app.contact_identities as i
        on i.tenant_id = %(tenant_id)s
        and a.contact_id = i.contact_id
    -- Nearly everybody's one identity is the address itself.
    where i.value <> a.address and '+' || i.value <> a.address
),

keys as materialized (
    select a.contact_id, a.created_at, a.person_key
    from audience as a
    union all
    select o.contact_id, o.created_at, o.person_key
    from others as o
    where o.person_key <> o.own_key
),

-- By a hash of the key: half the memory, and a chance meeting is found out below.
repeated as (
    select hashtextextended(k.person_key, 0) as key_hash
    from keys as k
    group by hashtextextended(k.person_key, 0)
    having count(*) > 1
),

pairs as (
    select
        k.contact_id,
        first_value(k.contact_id) over (
            partition by k.person_key order by k.created_at, k.contact_id
        ) as kept_id
    from keys as k
    inner join repeated as r on hashtextextended(k.person_key, 0) = r.key_hash
),

twins as (
    select distinct p.contact_id, p.kept_id
    from pairs as p
    where p.contact_id <> p.kept_id
),

refusals as (
    select
        t.kept_id,
        case
            when bool_or(s.suppressed_as = 'suppressed') then 'suppressed'
            when bool_or(consent.granted is false) then 'opted_out'
            -- The kept contact's own address decides whether a phone is needed.
            when bool_or(s.suppressed_as = 'frequency_cap') then 'frequency_cap'
        end as exclusion_reason
    from twins as t
    left join (
        select
            held.contact_id,
            app.suppressed_as(
                held.until, held.marketing_until, held.needs_phone, %(category)s, '+',
                %(send_at)s::timestamptz
            ) as suppressed_as
        from app.suppressions as held
        where held.tenant_id = %(tenant_id)s
    ) as s on t.contact_id = s.contact_id
    left join app.consent_states as consent
        on consent.tenant_id = %(tenant_id)s
        and t.contact_id = consent.contact_id
        and consent.purpose = %(category)s
    group by t.kept_id
)

insert into app.plan_marks (tenant_id, campaign_id, contact_id, exclusion_reason)
select distinct %(tenant_id)s::uuid, %(campaign_id)s::uuid, t.contact_id, 'duplicate'
from twins as t
union all
select %(tenant_id)s, %(campaign_id)s, r.kept_id, r.exclusion_reason
from refusals as r
where r.exclusion_reason is not null
    and not exists (
        select 1
        from twins as t
        where t.contact_id = r.kept_id
    )

-- mark_capped --
-- People who have had as many marketing messages as the tenant allows.
insert into app.plan_marks (tenant_id, campaign_id, contact_id, exclusion_reason)
select %(tenant_id)s, %(campaign_id)s, m.contact_id, 'frequency_cap'
from app.messages as m
inner join app.list_members as l
    on m.tenant_id = l.tenant_id
    and m.contact_id = l.contact_id
    and l.list_id = %(list_id)s
where m.tenant_id = %(tenant_id)s
    -- A message lives 31 days at most between its plan and its sending.
    and m.message_id
    >= app.uuid7_floor(now() - interval '31 days' - %(days)s * interval '1 day')
    and m.category = 'marketing'
    and m.accepted_at > %(send_at)s::timestamptz - %(days)s * interval '1 day'
    and m.campaign_id is distinct from %(campaign_id)s
group by m.contact_id
having count(*) >= %(messages)s
on conflict (tenant_id, campaign_id, contact_id) do nothing

-- hold_campaign --
-- Whether the plan is still wanted; the row is held so that no cancel comes between.
select c.campaign_id
from app.campaigns as c
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.status = 'planning'
for share

-- take_chunk --
-- One piece that nobody has.
select
    c.chunk_no,
    c.first_contact_id,
    c.end_contact_id,
    r.recipe
from app.plan_chunks as c
inner join app.plan_runs as r
    on c.tenant_id = r.tenant_id
    and c.campaign_id = r.campaign_id
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.done_at is null
order by c.chunk_no
limit 1
for update of c skip locked

-- plan_chunk --
-- Decides about everybody of one piece: one row a person, queued with everything frozen or excluded
-- with the reason, and its event; the counts and the digest of the piece; what was wrong.
with places as materialized (
    select *
    from unnest(
        %(prefixes)s::text[], %(markets)s::text[], %(countries)s::text[], %(zones)s::text[]
    ) as p (prefix, market, country, zone)
),

variants as materialized (
    select *
    from unnest(
        %(variant_names)s::text[],
        %(variant_begins)s::double precision[],
        %(variant_ends)s::double precision[],
        %(variant_templates)s::uuid[],
        %(variant_formats)s::text[],
        %(variant_quick_lengths)s::integer[],
        %(variant_exact)s::boolean[]
    ) with ordinality as v (
        variant, share_begin, share_end, template_id, message_format, quick_length,
        is_exact, variant_no
    )
),

rules as materialized (
    select
        r.variant_no,
        r.parameter,
        r.code,
        r.slots::integer[] as slots,
        r.most,
        r.rule_no
    from unnest(
        %(rule_variants)s::integer[],
        %(rule_parameters)s::text[],
        %(rule_codes)s::text[],
        %(rule_slots)s::text[],
        %(rule_limits)s::integer[]
    ) with ordinality as r (variant_no, parameter, code, slots, most, rule_no)
),

-- Read in one go, in the order of the index: looked up one by one they cost more than the rest.
consents as materialized (
    select s.contact_id, s.granted
    from app.consent_states as s
    where s.tenant_id = %(tenant_id)s
        and s.purpose = %(category)s
        and s.contact_id >= %(first)s
        and s.contact_id < %(end)s
),

members as materialized (
    select
        c.contact_id,
        c.pseudonym,
        c.address,
        coalesce(c.country, p.country) as country,
        p.market,
        coalesce(
            case when c.timezone = any(%(known_zones)s::text[]) then c.timezone end,
            p.zone,
            %(tenant_zone)s
        ) as recipient_timezone,
        mark.exclusion_reason as marked_as,
        consent.granted,
        case
            when suppression.contact_id is not null
                then app.suppressed_as(
                    suppression.until, suppression.marketing_until, suppression.needs_phone,
                    %(category)s, c.address, %(send_at)s::timestamptz
                )
        end as suppressed_as,
        coalesce(service.expires_at > %(send_at)s, false) as in_window,
        coalesce(service.free_entry_until > %(send_at)s, false) as in_free_entry,
        reach.contact_id is not null as is_reached,
        waiting.contact_id is not null as is_waited_for,
        case
            when %(has_draw)s
                then app.plan_share('variant', %(campaign_id)s::uuid, c.contact_id)
            else 0
        end as variant_share,
        case
            when %(holdout)s::double precision > 0
                then app.plan_share('holdout', %(campaign_id)s::uuid, c.contact_id)
                < %(holdout)s::double precision
            else false
        end as is_held_out,
        case
            when %(has_waves)s
                then width_bucket(
                    app.plan_share('wave', %(campaign_id)s::uuid, c.contact_id),
                    %(wave_ends)s::double precision[]
                ) + 1
            else 0
        end as wave,
        case
            when %(has_values)s
                then array(
                    select nullif(btrim(
                        coalesce(
                            c.attributes ->> wanted.attribute,
                            case wanted.attribute when 'name' then c.name end
                        ), E' \t\r\n\f\v'
                    ), '')
                    from unnest(%(attributes)s::text[]) with ordinality
                        as wanted (attribute, position)
                    order by wanted.position
                )
            else '{}'::text[]
        end as given
    from app.list_members as m
    inner join app.contacts as c
        on m.tenant_id = c.tenant_id
        and m.contact_id = c.contact_id
    left join places as p
        on p.prefix = case
            when c.address like '+%%' then left(c.address, 8) else left(c.address, 3)
        end
    left join consents as consent on c.contact_id = consent.contact_id
    left join app.suppressions as suppression
        on suppression.tenant_id = %(tenant_id)s
        and suppression.contact_id >= %(first)s
        and suppression.contact_id < %(end)s
        and c.contact_id = suppression.contact_id
    left join app.plan_marks as mark
        on mark.tenant_id = %(tenant_id)s
        and mark.campaign_id = %(campaign_id)s
        and mark.contact_id >= %(first)s
        and mark.contact_id < %(end)s
        and c.contact_id = mark.contact_id
    left join app.service_windows as service
        on service.tenant_id = %(tenant_id)s
        and service.phone_number_id = %(phone_number_id)s
        -- A free entry point outlasts the window: 72 h from our answer to somebody who came by it.
        and greatest(service.expires_at, service.free_entry_until) > %(send_at)s
        and c.contact_id = service.contact_id
    left join app.portfolio_reach as reach
        on reach.tenant_id = %(tenant_id)s
        and reach.portfolio_id = %(portfolio_id)s
        and reach.reached_at > now() - interval '24 hours'
        and c.contact_id = reach.contact_id
    left join (
        select distinct other.contact_id
        from app.messages as other
        where %(has_others)s
            and other.tenant_id = %(tenant_id)s
            and other.contact_id >= %(first)s
            and other.contact_id < %(end)s
            and other.phone_number_id = %(phone_number_id)s
            and other.state = 'queued'
            and other.campaign_id <> %(campaign_id)s
    ) as waiting on c.contact_id = waiting.contact_id
    where m.tenant_id = %(tenant_id)s
        and m.list_id = %(list_id)s
        and m.contact_id >= %(first)s
        and m.contact_id < %(end)s
        and c.tenant_id = %(tenant_id)s
        and c.contact_id >= %(first)s
        and c.contact_id < %(end)s
        and c.erased_at is null
        -- Decided about in another piece, as the contact that was merged into this one since.
        and not exists (
            select 1
            from app.campaign_recipients as had
            where had.tenant_id = %(tenant_id)s
                and had.campaign_id = %(campaign_id)s
                and had.contact_id >= %(first)s
                and had.contact_id < %(end)s
                and had.contact_id = c.contact_id
        )
),

drawn as (
    select
        members.*,
        v.*,
        array_to_string(members.given, '') as joined,
        row_number() over () - 1 as place
    from members
    inner join variants as v
        on members.variant_share >= v.share_begin
        and members.variant_share < v.share_end
    -- Computed once a row, not once a use.
    offset 0
),

checked as (
    select
        drawn.*,
        case
            when is_exact
                or length(joined) > quick_length
                or array_position(given, null) is not null
                or strpos(joined, '     ') > 0
                or translate(joined, E'\t\r\n\f\v', '') <> joined
                then (
                    select jsonb_agg(
                        jsonb_build_object('parameter', r.parameter, 'code', r.code)
                        order by r.rule_no
                    )
                    from rules as r
                    where r.variant_no = drawn.variant_no
                        and app.breaks_rule(r.code, r.slots, r.most, drawn.given)
                )
        end as errors
    from drawn
    offset 0
),

judged as materialized (
    select
        checked.*,
        (
            '0' || to_hex(%(id_base)s::bigint + ((place >> 12) << 16) + (place & 4095))
            || '8' || left(md5(contact_id || %(id_salt)s), 15)
        )::uuid as message_id,
        case
            when not app.is_address(address) then 'invalid_number'
            when marked_as = 'duplicate' then 'duplicate'
            when suppressed_as is not null then suppressed_as
            when granted is false then 'opted_out'
            when marked_as in ('suppressed', 'opted_out') then marked_as
            when %(category)s = 'marketing' and granted is null then 'no_consent'
            -- Meta delivers no marketing to US numbers since 2025-04-01.
            when %(category)s = 'marketing' and country = 'US' then 'us_marketing'
            when country = any(%(blocked_countries)s::text[]) then 'blocked_country'
            -- Codes by one tap, zero tap or copying go to phones only (Meta, 131062).
            when %(needs_phone)s and address not like '+%%' then 'needs_phone'
            when errors @> '[{"code": "missing"}]' then 'missing_parameter'
            when errors is not null then 'invalid_parameter'
            when marked_as = 'frequency_cap' then 'frequency_cap'
            when is_held_out then 'holdout'
        end as exclusion_reason,
        case
            when %(is_local)s
                then (%(scheduled_at)s::timestamptz at time zone %(tenant_zone)s)
                at time zone recipient_timezone
        end as not_before
    from checked
),

recipients as (
    insert into app.campaign_recipients (tenant_id, campaign_id, contact_id, message_id)
    select %(tenant_id)s, %(campaign_id)s, j.contact_id, j.message_id
    from judged as j
    where not %(is_dry_run)s
),

planned as (
    insert into app.messages (
        tenant_id, message_id, campaign_id, contact_id, contact_pseudonym, phone_number_id,
        waba_id, address, country, market, kind, template_id, category, content, state,
        exclusion_reason, recipient_timezone, wave, variant, not_before
    )
    select
        %(tenant_id)s,
        j.message_id,
        %(campaign_id)s,
        j.contact_id,
        j.pseudonym,
        %(phone_number_id)s,
        %(waba_id)s,
        j.address,
        j.country,
        j.market,
        'template',
        j.template_id,
        %(category)s,
        case
            when j.exclusion_reason is not null then '{}'
            else app.fill_format(j.message_format, j.given)
        end::jsonb,
        case when j.exclusion_reason is null then 'queued' else 'excluded' end,
        j.exclusion_reason,
        j.recipient_timezone,
        j.wave,
        j.variant,
        j.not_before
    from judged as j
    where not %(is_dry_run)s
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, occurred_at
    )
    select
        %(tenant_id)s, j.message_id, %(campaign_id)s, j.pseudonym, %(waba_id)s,
        %(phone_number_id)s,
        case when j.exclusion_reason is null then 'planned' else 'excluded' end, %(category)s,
        j.country, j.market, j.exclusion_reason, now()
    from judged as j
    where not %(is_dry_run)s
),

mistakes as (
    insert into app.plan_errors (tenant_id, campaign_id, contact_id, variant, errors)
    select %(tenant_id)s, %(campaign_id)s, j.contact_id, j.variant, j.errors
    from judged as j
    where j.exclusion_reason in ('missing_parameter', 'invalid_parameter')
),

counts as (
    select
        j.exclusion_reason,
        j.market,
        j.country,
        j.recipient_timezone,
        j.variant,
        j.wave,
        j.in_window,
        j.in_free_entry,
        j.is_reached,
        count(*) as people
    from judged as j
    group by
        j.exclusion_reason, j.market, j.country, j.recipient_timezone, j.variant, j.wave,
        j.in_window, j.in_free_entry, j.is_reached
),

mistake_counts as (
    select e.parameter, e.code, count(*) as people
    from judged as j
    cross join lateral jsonb_to_recordset(j.errors) as e (parameter text, code text)
    where j.exclusion_reason in ('missing_parameter', 'invalid_parameter')
    group by e.parameter, e.code
),

samples as (
    select
        j.address,
        j.country,
        j.market,
        j.variant,
        app.fill_format(j.message_format, j.given)::jsonb as content
    from judged as j
    where j.exclusion_reason is null
    order by j.contact_id
    limit 20
),

digests as (
    select
        count(*) as people,
        count(*) filter (where j.is_waited_for and j.exclusion_reason is null) as pairs,
        encode(
            sha256(
                convert_to(
                    coalesce(
                        string_agg(
                            (
                                j.contact_id, j.address, j.exclusion_reason, j.variant, j.wave,
                                j.recipient_timezone, extract(epoch from j.not_before), j.given
                            )::text,
                            E'\n' order by j.contact_id
                        ), ''
                    ), 'UTF8'
                )
            ), 'hex'
        ) as digest
    from judged as j
)

update app.plan_chunks as c
set
    done_at = clock_timestamp(),
    decided = d.people,
    digest = d.digest,
    counts = jsonb_build_object(
        'groups', coalesce((select jsonb_agg(to_jsonb(g)) from counts as g), '[]'::jsonb),
        'mistakes', coalesce((select jsonb_agg(to_jsonb(e)) from mistake_counts as e), '[]'::jsonb),
        'samples', coalesce((select jsonb_agg(to_jsonb(t)) from samples as t), '[]'::jsonb),
        'pairs', d.pairs
    )
from digests as d
where c.tenant_id = %(tenant_id)s
    and c.campaign_id = %(campaign_id)s
    and c.chunk_no = %(chunk_no)s
    and c.done_at is null

-- list_chunks --
-- Every piece of a plan with its counts, in order.
select
    c.digest,
    c.decided,
    c.counts -> 'groups' as groups,
    c.counts -> 'mistakes' as mistakes,
    c.counts -> 'samples' as samples,
    (c.counts ->> 'pairs')::integer as pairs
from app.plan_chunks as c
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s
order by c.chunk_no

-- end_run --
-- Takes away a plan's scaffolding: its recipe, pieces and marks.
with marks as (
    delete from app.plan_marks as m
    where m.tenant_id = %(tenant_id)s and m.campaign_id = %(campaign_id)s
)

delete from app.plan_runs as r
where r.tenant_id = %(tenant_id)s and r.campaign_id = %(campaign_id)s

-- sweep_runs --
-- Takes away what cancelled plans left.
-- cross-tenant: one planner serves every tenant
with left_over as (
    select r.tenant_id, r.campaign_id
    from app.plan_runs as r
    inner join app.campaigns as c
        on r.tenant_id = c.tenant_id
        and r.campaign_id = c.campaign_id
    where c.status <> 'planning'
),

marks as (
    delete from app.plan_marks as m
    using left_over as l
    where m.tenant_id = l.tenant_id and m.campaign_id = l.campaign_id
)

delete from app.plan_runs as r
using left_over as l
where r.tenant_id = l.tenant_id and r.campaign_id = l.campaign_id

-- drop_errors --
-- Forgets what was wrong in an earlier plan.
delete from app.plan_errors as e
where e.tenant_id = %(tenant_id)s and e.campaign_id = %(campaign_id)s

-- find_campaign --
-- Whether the tenant has the campaign.
select c.campaign_id
from app.campaigns as c
where c.tenant_id = %(tenant_id)s and c.campaign_id = %(campaign_id)s

-- list_errors --
-- People whose parameters are wrong, in the order of their ids: which parameter and why.
select e.contact_id, e.variant, e.errors
from app.plan_errors as e
where e.tenant_id = %(tenant_id)s
    and e.campaign_id = %(campaign_id)s
    and (%(after)s::uuid is null or e.contact_id > %(after)s::uuid)
order by e.contact_id
limit %(limit)s
