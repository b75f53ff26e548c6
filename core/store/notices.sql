-- change_template_category --
-- What a template is charged as now, and what is announced; says what it was before.
with known as materialized (
    select t.template_id, t.category
    from app.templates as t
    where t.tenant_id = %(tenant_id)s
        and t.waba_id = %(waba_id)s
        and (
            t.meta_template_id = %(meta_template_id)s
            or (t.name = %(name)s and t.language = %(language)s)
        )
        and (t.category_noticed_at is null or t.category_noticed_at <= %(at)s)
    order by t.template_id
    for update
),

changed as (
    update app.templates as t
    set
        category = coalesce(%(category)s, t.category),
        -- Meta takes the new category's default; the next sync brings what was set since.
        message_send_ttl_seconds = case
            when %(category)s <> t.category then null else t.message_send_ttl_seconds
        end,
        next_category = %(next_category)s,
        next_category_at = %(next_category_at)s,
        category_noticed_at = %(at)s
    from known as k
    where t.tenant_id = %(tenant_id)s
        and t.template_id = k.template_id
    returning t.template_id, t.category as category_now, k.category as category_before
)

select
    c.template_id,
    c.category_before,
    (c.category_now <> c.category_before) as is_changed
from changed as c
order by c.template_id

-- mark_prices_stale --
-- Campaigns that are priced and not over, of a template whose category has changed, be it the
-- template of one of their variants.
update app.campaigns as c
set price_stale_at = now()
where c.tenant_id = %(tenant_id)s
    and (
        c.template_id = %(template_id)s
        or c.experiment -> 'variants' @> jsonb_build_array(
            jsonb_build_object('template_id', %(template_id)s::text)
        )
    )
    and c.plan is not null
    and c.status in ('planned', 'approved', 'running', 'paused')
    and c.finished_at is null
returning c.campaign_id

-- block_account --
-- Stops an account until an instant (null: until it is lifted); a longer block replaces a shorter.
update app.whatsapp_accounts
set
    blocked_reason = %(reason)s,
    blocked_at = now(),
    blocked_until = %(until)s,
    block_noticed_at = %(at)s
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and (block_noticed_at is null or block_noticed_at <= %(at)s)
    and (
        blocked_reason is null
        or (
            blocked_until is not null
            and coalesce(%(until)s, 'infinity'::timestamptz) > blocked_until
        )
    )
returning waba_id

-- unblock_account --
-- Meta takes back a block it had told of; blocks with other reasons stay.
update app.whatsapp_accounts
set
    blocked_reason = case when blocked_reason = any(%(reasons)s::text[]) then null else blocked_reason end,
    blocked_at = case when blocked_reason = any(%(reasons)s::text[]) then null else blocked_at end,
    blocked_until = case when blocked_reason = any(%(reasons)s::text[]) then null else blocked_until end,
    block_noticed_at = %(at)s
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and (block_noticed_at is null or block_noticed_at <= %(at)s)
returning blocked_reason is null as is_free

-- cap_utility --
-- Until when Meta caps utility templates; what 131064 halted waits exactly so long.
with account as (
    update app.whatsapp_accounts
    set utility_capped_until = %(until)s
    where tenant_id = %(tenant_id)s
        and waba_id = %(waba_id)s
    returning tenant_id, waba_id
)

update app.templates as t
set halted_until = %(until)s
from account as a
where t.tenant_id = a.tenant_id
    and t.waba_id = a.waba_id
    and t.category = 'utility'
    and t.halted_by_account
    and t.halted_until is not null

-- halt_category --
-- Stops every template of one category of an account, until Meta's own end where it has named one.
update app.templates as t
set
    halted_reason = %(reason)s,
    halted_by_account = true,
    halted_until = case
        when %(seconds)s::double precision is null then null
        when a.utility_capped_until > now() and t.category = 'utility' then a.utility_capped_until
        else greatest(
            t.halted_until, now() + make_interval(secs => %(seconds)s::double precision)
        )
    end
from app.whatsapp_accounts as a
where t.tenant_id = %(tenant_id)s
    and t.waba_id = %(waba_id)s
    and t.category = %(category)s
    and (t.halted_reason is null or t.halted_by_account)
    and a.tenant_id = t.tenant_id
    and a.waba_id = t.waba_id

-- block_country --
-- Meta lets an account write to nobody in a person's country, unless a person lifted that since.
with person as (
    select c.country
    from app.contacts as c
    where c.tenant_id = %(tenant_id)s
        and c.contact_id = %(contact_id)s
        and c.country is not null
        and not exists (
            select 1
            from app.alerts as a
            where a.tenant_id = c.tenant_id
                and a.kind = 'country_blocked'
                and a.subject = %(waba_id)s::text || '/' || c.country
                and a.closed_at > %(occurred_at)s
        )
)

update app.whatsapp_accounts as account
set blocked_countries = array_append(account.blocked_countries, p.country)
from person as p
where account.tenant_id = %(tenant_id)s
    and account.waba_id = %(waba_id)s
    and not p.country = any(account.blocked_countries)
returning account.blocked_countries[cardinality(account.blocked_countries)] as country

-- rest_marketing --
-- Keeps one person out of marketing for some seconds; other categories go on.
insert into app.suppressions (
    tenant_id, contact_id, reason, error_code, until, marketing_until
)
values (
    %(tenant_id)s, %(contact_id)s, %(reason)s, %(error_code)s, now(),
    %(occurred_at)s + make_interval(secs => %(seconds)s::double precision)
)
on conflict (tenant_id, contact_id) do update
set marketing_until = greatest(suppressions.marketing_until, excluded.marketing_until)

-- require_phone --
-- Remembers that authentication cannot go to a person's business-scoped id.
insert into app.suppressions (
    tenant_id, contact_id, reason, error_code, until, needs_phone
)
values (%(tenant_id)s, %(contact_id)s, %(reason)s, %(error_code)s, now(), true)
on conflict (tenant_id, contact_id) do update
set needs_phone = true

-- raise_throughput --
-- A number was upgraded to 1,000 messages a second; the pacer raises its grant step by step.
update app.phone_numbers
set throughput_per_second = greatest(throughput_per_second, 1000)
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and regexp_replace(display_phone_number, '[^0-9]', '', 'g') = %(digits)s

-- change_number_quality --
-- What Meta says of a number's quality.
update app.phone_numbers
set quality = %(quality)s
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and regexp_replace(display_phone_number, '[^0-9]', '', 'g') = %(digits)s
returning phone_number_id

-- set_portfolio_limit --
-- How many people an account's portfolio may begin to write to in a day, unless newer is known.
insert into app.portfolios (
    tenant_id, portfolio_id, people_per_day, updated_at, limit_noticed_at
)
select a.tenant_id, a.portfolio_id, %(people_per_day)s::integer, now(), %(at)s
from app.whatsapp_accounts as a
where a.tenant_id = %(tenant_id)s
    and a.waba_id = %(waba_id)s
on conflict (tenant_id, portfolio_id) do update
set
    people_per_day = excluded.people_per_day,
    updated_at = excluded.updated_at,
    limit_noticed_at = excluded.limit_noticed_at
where portfolios.limit_noticed_at is null
    or portfolios.limit_noticed_at <= excluded.limit_noticed_at

-- reach_volume_tier --
-- A volume tier of an account's portfolio; of several times the earliest stays.
insert into app.volume_tiers (
    tenant_id, portfolio_id, category, market, effective_month, tier, reached_at
)
select
    a.tenant_id, a.portfolio_id, %(category)s, %(market)s, %(effective_month)s, %(tier)s,
    %(reached_at)s
from app.whatsapp_accounts as a
where a.tenant_id = %(tenant_id)s
    and a.waba_id = %(waba_id)s
on conflict (tenant_id, portfolio_id, category, market, effective_month, tier) do update
set reached_at = excluded.reached_at
where excluded.reached_at < volume_tiers.reached_at

-- close_alerts --
-- Meta itself took back what some alerts tell of, at the time it says.
update app.alerts
set closed_at = %(at)s
where tenant_id = %(tenant_id)s
    and kind = %(kind)s
    and subject = any(%(subjects)s::text[])
    and closed_at is null

-- end_account_blocks --
-- Lifts the blocks of accounts whose time is over, and closes their alerts.
-- cross-tenant: the settler looks after the ends of every tenant's blocks
with ended as (
    update app.whatsapp_accounts
    set
        blocked_reason = null,
        blocked_at = null,
        blocked_until = null
    where blocked_until <= now()
    returning tenant_id, waba_id
),

closed as (
    update app.alerts as a
    set closed_at = now()
    from ended as e
    where a.tenant_id = e.tenant_id
        and a.kind = 'account_blocked'
        and a.subject = e.waba_id
        and a.closed_at is null
)

select count(*) as ended
from ended

-- end_category_halts --
-- Lifts the halts of categories whose time is over; what Meta says of the template itself stays.
-- cross-tenant: the settler looks after the ends of every tenant's halts
with ended as (
    update app.templates
    set
        halted_reason = case when status <> 'APPROVED' then 'Meta: ' || status end,
        halted_by_account = false,
        halted_until = null
    where halted_until <= now()
    returning tenant_id, waba_id, category
),

closed as (
    update app.alerts as a
    set closed_at = now()
    from ended as e
    where a.tenant_id = e.tenant_id
        and a.kind = 'category_blocked'
        and a.subject = e.waba_id || '/' || e.category
        and a.closed_at is null
)

select count(*) as ended
from ended
