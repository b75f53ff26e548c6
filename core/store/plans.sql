-- list_planning_campaigns --
-- Campaigns whose plan somebody asked for.
-- cross-tenant: one planner serves every tenant
select campaign.tenant_id, campaign.campaign_id
from app.campaigns as campaign
where campaign.status = 'planning'
    and campaign.finished_at is null
order by campaign.created_at
limit 50

-- lock_plan --
-- Whether this transaction may plan the campaign; a second planner goes on to another.
-- cross-tenant: an advisory lock knows no tenant
select pg_try_advisory_xact_lock(hashtextextended(%(campaign_id)s::text, 7243003))

-- give_room --
-- Sorting a million people in memory, for this transaction only.
select set_config('work_mem', '96MB', true)

-- get_plan_inputs --
-- What a plan is made of: campaign, template, account, number, limits.
select
    campaign.name,
    campaign.list_id,
    campaign.parameters,
    campaign.created_at,
    campaign.phone_number_id,
    template.template_id,
    template.name as template_name,
    template.language as template_language,
    template.category,
    template.status as template_status,
    template.components,
    template.version_hash,
    template.halted_reason,
    template.waba_id as template_waba_id,
    account.waba_id,
    account.currency,
    account.timezone,
    account.blocked_reason,
    number.granted_per_second,
    number.throughput_per_second,
    (now() at time zone account.timezone)::date as local_date
from app.campaigns as campaign
inner join app.templates as template
    on campaign.tenant_id = template.tenant_id
    and campaign.template_id = template.template_id
inner join app.phone_numbers as number
    on campaign.tenant_id = number.tenant_id
    and campaign.phone_number_id = number.phone_number_id
inner join app.whatsapp_accounts as account
    on number.tenant_id = account.tenant_id
    and number.waba_id = account.waba_id
where campaign.tenant_id = %(tenant_id)s
    and campaign.campaign_id = %(campaign_id)s
    and campaign.status = 'planning'

-- discard_plan --
-- Takes back the rows of an earlier plan that was never launched; other events answer its own.
with discarded as (
    delete from app.messages as m
    where m.tenant_id = %(tenant_id)s
        and m.campaign_id = %(campaign_id)s
        and m.message_id >= %(lowest)s
        and m.state in ('queued', 'excluded')
        and m.attempt_no = 0
    returning m.*
),

freed as (
    delete from app.campaign_recipients
    where tenant_id = %(tenant_id)s
        and campaign_id = %(campaign_id)s
)

insert into raw.message_events (
    tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id, event_type,
    category, country, market, reason, occurred_at
)
select
    d.tenant_id, d.message_id, d.campaign_id, d.contact_pseudonym, d.waba_id, d.phone_number_id,
    'cancelled', d.category, d.country, d.market, 'replanned', now()
from discarded as d

-- list_audience_prefixes --
-- The beginnings of the audience's addresses: all that market and country depend on.
select distinct
    case
        when c.address like '+%%' then left(c.address, 8)
        else left(c.address, 3)
    end as prefix
from app.list_members as m
inner join app.contacts as c
    on m.tenant_id = c.tenant_id
    and m.contact_id = c.contact_id
where m.tenant_id = %(tenant_id)s
    and m.list_id = %(list_id)s

-- list_market_rows --
-- The market map in force on a day.
select
    calling_prefix,
    iso,
    market,
    lower(valid) as valid_from,
    upper(valid) as valid_to
from billing.market_map
where valid @> %(on_day)s::date

-- insert_plan --
-- One row a person: queued with everything frozen, or excluded with the reason; and its event.
with places as (
    select *
    from unnest(%(prefixes)s::text[], %(markets)s::text[], %(countries)s::text[]) as p (
        prefix, market, country
    )
),

members as materialized (
    select
        c.contact_id,
        c.pseudonym,
        c.address,
        coalesce(c.country, p.country) as country,
        p.market,
        row_number() over (
            partition by c.address order by c.created_at, c.contact_id
        ) as occurrence,
        consent.granted,
        suppression.contact_id is not null as suppressed,
        array(
            select nullif(btrim(regexp_replace(
                coalesce(
                    c.attributes ->> wanted.attribute,
                    case wanted.attribute when 'name' then c.name end
                ),
                '\s+', ' ', 'g'
            )), '')
            from unnest(%(attributes)s::text[]) with ordinality as wanted (attribute, position)
            order by wanted.position
        ) as attribute_values
    from app.list_members as m
    inner join app.contacts as c
        on m.tenant_id = c.tenant_id
        and m.contact_id = c.contact_id
    left join places as p
        on p.prefix = case
            when c.address like '+%%' then left(c.address, 8) else left(c.address, 3)
        end
    left join app.consent_states as consent
        on c.tenant_id = consent.tenant_id
        and c.contact_id = consent.contact_id
        and consent.purpose = %(category)s
    left join app.suppressions as suppression
        on c.tenant_id = suppression.tenant_id
        and c.contact_id = suppression.contact_id
        and (suppression.until is null or suppression.until > now())
    where m.tenant_id = %(tenant_id)s
        and m.list_id = %(list_id)s
        and c.erased_at is null
),

judged as materialized (
    select
        members.*,
        app.new_uuid7() as message_id,
        case
            when address !~ '^(\+[1-9][0-9]{6,14}|[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128})$'
                then 'invalid_number'
            when occurrence > 1 then 'duplicate'
            when suppressed then 'suppressed'
            when granted is false then 'opted_out'
            when %(category)s = 'marketing' and granted is null then 'no_consent'
            -- Meta delivers no marketing to US numbers since 2025-04-01.
            when %(category)s = 'marketing' and country = 'US' then 'us_marketing'
            when array_position(attribute_values, null) is not null then 'missing_parameter'
            when exists (
                select 1
                from unnest(%(link_positions)s::integer[]) as link (position)
                where attribute_values[link.position] not like 'https://%%'
            ) then 'missing_parameter'
        end as exclusion_reason
    from members
),

recipients as (
    insert into app.campaign_recipients (tenant_id, campaign_id, contact_id, message_id)
    select %(tenant_id)s, %(campaign_id)s, j.contact_id, j.message_id
    from judged as j
    on conflict (tenant_id, campaign_id, contact_id) do nothing
    returning contact_id
),

planned as (
    insert into app.messages (
        tenant_id, message_id, campaign_id, contact_id, contact_pseudonym, phone_number_id,
        waba_id, address, country, market, kind, template_id, category, content, state,
        exclusion_reason
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
        %(template_id)s,
        %(category)s,
        case when j.exclusion_reason is not null then '{}'::jsonb else (
            -- The message is a text cut at its values; to_jsonb quotes each, so none can break out.
            select string_agg(
                piece.text || coalesce(to_jsonb(j.attribute_values[piece.slot])::text, ''),
                '' order by piece.position
            )::jsonb
            from unnest(%(pieces)s::text[], %(slots)s::integer[])
                with ordinality as piece (text, slot, position)
        ) end,
        case when j.exclusion_reason is null then 'queued' else 'excluded' end,
        j.exclusion_reason
    from judged as j
    inner join recipients as r on j.contact_id = r.contact_id
    returning
        message_id, contact_pseudonym, category, country, market, state, exclusion_reason
)

insert into raw.message_events (
    tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id, event_type,
    category, country, market, reason, occurred_at
)
select
    %(tenant_id)s, p.message_id, %(campaign_id)s, p.contact_pseudonym, %(waba_id)s,
    %(phone_number_id)s, case p.state when 'queued' then 'planned' else 'excluded' end, p.category,
    p.country, p.market, p.exclusion_reason, now()
from planned as p

-- count_plan --
-- The plan's rows by state, reason and market.
select
    m.state,
    m.exclusion_reason,
    m.market,
    count(*) as messages
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.message_id >= %(lowest)s
group by m.state, m.exclusion_reason, m.market

-- list_plan_rates --
-- Meta's list rates of a category on a day, first tier, by market.
select
    r.market,
    r.rate
from billing.meta_rates as r
where r.currency = %(currency)s
    and r.category = %(category)s
    and r.tier_from = 1
    and r.valid @> %(on_day)s::date

-- list_plan_samples --
-- The first rows of a plan that will be sent, for people to read.
select
    m.address,
    m.country,
    m.market,
    m.content
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.message_id >= %(lowest)s
    and m.state = 'queued'
order by m.message_id
limit 20

-- hash_plan --
-- One digest of who gets what: equal for equal plans, whatever ids their rows have.
select encode(
    sha256(
        convert_to(
            %(template_version_hash)s || E'\n' || coalesce(
                string_agg(
                    m.contact_id || '|' || m.state || '|' || coalesce(m.exclusion_reason, '')
                    || '|' || md5(m.address || m.content::text),
                    E'\n' order by m.contact_id
                ),
                ''
            ),
            'UTF8'
        )
    ),
    'hex'
) as plan_hash
from app.messages as m
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.message_id >= %(lowest)s

-- count_other_queued --
-- Messages of other running campaigns that share the number: they share its rate too.
select count(*) as campaigns
from app.campaigns as other
where other.tenant_id = %(tenant_id)s
    and other.phone_number_id = %(phone_number_id)s
    and other.status = 'running'
    and other.finished_at is null
    and other.campaign_id <> %(campaign_id)s

-- finish_plan --
-- Puts a plan before people; no row when the campaign was cancelled meanwhile.
update app.campaigns
set
    status = 'planned',
    status_reason = null,
    category = %(category)s,
    template_version_hash = %(template_version_hash)s,
    plan = %(plan)s,
    plan_hash = %(plan_hash)s,
    planned_at = now(),
    approved_at = null,
    approved_by = null
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status = 'planning'

-- fail_plan --
-- Says why no plan is possible.
update app.campaigns
set
    status = 'plan_failed',
    status_reason = %(reason)s,
    plan = null,
    plan_hash = null
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status = 'planning'
