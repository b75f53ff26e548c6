-- list_planning_campaigns --
-- Campaigns whose plan somebody asked for.
-- cross-tenant: one planner serves every tenant
select campaign.tenant_id, campaign.campaign_id
from app.campaigns as campaign
where campaign.status = 'planning'
    and campaign.finished_at is null
order by campaign.created_at
limit 50

-- get_plan_inputs --
-- What a plan is made of: campaign, template, account, number, limits.
select
    campaign.name,
    campaign.list_id,
    campaign.parameters,
    campaign.created_at,
    campaign.phone_number_id,
    campaign.scheduled_at,
    campaign.local_delivery,
    campaign.experiment,
    campaign.canary,
    campaign.plan_dry_run,
    greatest(now(), campaign.scheduled_at) as send_at,
    tenant.timezone as tenant_timezone,
    tenant.marketing_cap_messages,
    tenant.marketing_cap_days,
    -- The tenant's own rule, and Meta's word on the account (130497): the claim asks both too.
    array(
        select distinct blocked.country
        from unnest(tenant.blocked_countries || account.blocked_countries) as blocked (country)
        order by blocked.country
    ) as blocked_countries,
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
    account.portfolio_id,
    account.currency,
    account.timezone,
    account.blocked_reason,
    number.granted_per_second,
    number.throughput_per_second,
    (greatest(now(), campaign.scheduled_at) at time zone account.timezone)::date as local_date
from app.campaigns as campaign
inner join app.tenants as tenant on campaign.tenant_id = tenant.tenant_id
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

-- list_variant_templates --
-- The templates of a campaign's variants, as far as the tenant has them.
select
    t.template_id,
    t.name,
    t.language,
    t.category,
    t.status,
    t.components,
    t.version_hash,
    t.halted_reason,
    t.waba_id
from app.templates as t
where t.tenant_id = %(tenant_id)s and t.template_id = any(%(template_ids)s::uuid[])

-- discard_plan --
-- Takes back the rows of an earlier plan that was never launched; other events answer its own.
with discarded as (
    delete from app.messages as m
    where m.tenant_id = %(tenant_id)s
        and m.campaign_id = %(campaign_id)s
        and m.message_id >= %(lowest)s
        -- Cancelled: the second row of a person whose two contacts were merged since.
        and m.state in ('queued', 'excluded', 'cancelled')
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
where d.state <> 'cancelled'

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

-- find_portfolio --
-- Whether anybody who shares a portfolio of the tenant heard its limit.
-- cross-tenant: one limit for all who share it; of the others only that they heard is told
select p.portfolio_id
from app.portfolios as p
where p.portfolio_id = %(portfolio_id)s
    and exists (
        select 1
        from app.whatsapp_accounts as account
        where account.tenant_id = %(tenant_id)s
            and account.portfolio_id = p.portfolio_id
    )
limit 1

-- list_plan_quiet_hours --
-- The tenant's rules of when people are left in peace.
select q.country, q.category, q.starts_at, q.ends_at, q.quiet_days
from app.quiet_hours as q
where q.tenant_id = %(tenant_id)s

-- count_unsent --
-- What of a campaign is not sent yet, by all that a price depends on.
select
    m.market,
    m.variant,
    template.category,
    coalesce(service.expires_at > now(), false) as in_window,
    coalesce(service.free_entry_until > now(), false) as in_free_entry,
    count(*) as people
from app.messages as m
inner join app.templates as template
    on m.tenant_id = template.tenant_id
    and m.template_id = template.template_id
left join app.service_windows as service
    on m.tenant_id = service.tenant_id
    and m.phone_number_id = service.phone_number_id
    and m.contact_id = service.contact_id
    and greatest(service.expires_at, service.free_entry_until) > now()
where m.tenant_id = %(tenant_id)s
    and m.campaign_id = %(campaign_id)s
    and m.message_id >= %(lowest)s
    and m.work = 'due'
group by
    m.market, m.variant, template.category, coalesce(service.expires_at > now(), false),
    coalesce(service.free_entry_until > now(), false)

-- get_repricing --
-- What a new price of a campaign's unsent messages depends on.
select
    campaign.created_at,
    template.category,
    account.currency,
    (
        greatest(now(), campaign.scheduled_at) at time zone account.timezone
    )::date as local_date
from app.campaigns as campaign
inner join app.templates as template
    on campaign.tenant_id = template.tenant_id
    and campaign.template_id = template.template_id
inner join app.whatsapp_accounts as account
    on template.tenant_id = account.tenant_id
    and template.waba_id = account.waba_id
where campaign.tenant_id = %(tenant_id)s
    and campaign.campaign_id = %(campaign_id)s
    and campaign.plan is not null
for update of campaign

-- list_stale_prices --
-- Campaigns whose price is of an earlier category, locked; another round takes others.
-- cross-tenant: one scheduler serves every tenant
select c.tenant_id, c.campaign_id
from app.campaigns as c
where c.price_stale_at is not null
    and c.plan is not null
order by c.tenant_id, c.campaign_id
limit 100
for update of c skip locked

-- set_plan_cost --
-- Puts a new price into a plan; people, content and hash stay as they were approved.
update app.campaigns
set
    plan = plan || jsonb_build_object('cost', (plan -> 'cost') || %(cost)s::jsonb),
    price_stale_at = null
where tenant_id = %(tenant_id)s and campaign_id = %(campaign_id)s and plan is not null

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
    -- A dry run leaves a plan to read and nothing to approve.
    status = case when %(is_dry_run)s then 'draft' else 'planned' end,
    status_reason = null,
    category = %(category)s,
    template_version_hash = %(template_version_hash)s,
    variant_hashes = %(variant_hashes)s,
    plan = %(plan)s,
    plan_hash = %(plan_hash)s,
    planned_at = now(),
    plan_dry_run = false,
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
    plan_hash = null,
    plan_dry_run = false
where tenant_id = %(tenant_id)s
    and campaign_id = %(campaign_id)s
    and status = 'planning'
