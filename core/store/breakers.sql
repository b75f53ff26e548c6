-- lock_account --
-- An account by Meta's id, with why nothing is sent on it now.
-- cross-tenant: an operator command starts from Meta's id, which is unique among all tenants
select a.tenant_id, a.blocked_reason
from app.whatsapp_accounts as a
where a.waba_id = %(waba_id)s
for update

-- store_token --
-- Another access token for an account; the next claim reads it.
update app.whatsapp_accounts
set access_token_encrypted = %(access_token_encrypted)s
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s

-- unblock_account --
-- Closes the breaker of an account: its numbers are claimed again.
update app.whatsapp_accounts
set
    blocked_reason = null,
    blocked_at = null,
    blocked_until = null
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s

-- unblock_countries --
-- Lets an account write to every country again.
update app.whatsapp_accounts
set blocked_countries = '{}'
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and blocked_countries <> '{}'

-- resume_categories --
-- Ends what stopped whole categories of an account; what Meta says of a template itself stays.
update app.templates
set
    halted_reason = case when status <> 'APPROVED' then 'Meta: ' || status end,
    halted_until = null,
    halted_by_account = false
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and halted_by_account

-- close_account_alerts --
-- Closes what is open about single categories and countries of an account.
update app.alerts
set closed_at = clock_timestamp()
where tenant_id = %(tenant_id)s
    and kind in ('category_blocked', 'country_blocked')
    and split_part(subject, '/', 1) = %(waba_id)s
    and closed_at is null

-- resume_resting_numbers --
-- Ends the short pauses of an account's numbers that one reason made.
update app.phone_numbers
set
    paused_until = null,
    pause_reason = null
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and pause_reason = %(reason)s
    and paused_until > now()

-- lock_number --
-- A number by Meta's id: why it is paused now, and what else holds it back.
-- cross-tenant: an operator command starts from Meta's id, which is unique among all tenants
select
    n.tenant_id,
    case when n.paused_until > now() then coalesce(n.pause_reason, 'paused') end as pause_reason,
    a.blocked_reason,
    n.waba_id
from app.phone_numbers as n
inner join app.whatsapp_accounts as a on n.tenant_id = a.tenant_id and n.waba_id = a.waba_id
where n.phone_number_id = %(phone_number_id)s
for update of n

-- resume_number --
-- Ends a number's pause.
update app.phone_numbers
set
    paused_until = null,
    pause_reason = null
where tenant_id = %(tenant_id)s
    and phone_number_id = %(phone_number_id)s

-- lock_templates --
-- One template by its id, or a tenant's by name (and language), with why they are halted.
-- cross-tenant: an operator command starts from an id or a slug
select
    t.tenant_id,
    t.template_id,
    t.meta_template_id,
    t.name,
    t.language,
    t.status,
    t.halted_reason
from app.templates as t
inner join app.tenants as tenant on t.tenant_id = tenant.tenant_id
where
    t.template_id = %(template_id)s
    or (
        tenant.slug = %(slug)s
        and t.name = %(name)s
        and (%(language)s::text is null or t.language = %(language)s)
    )
order by t.template_id
for update of t

-- resume_template --
-- Ends a template's halt.
update app.templates
set
    halted_reason = null,
    halted_until = null,
    halted_by_account = false
where tenant_id = %(tenant_id)s
    and template_id = %(template_id)s

-- close_alerts --
-- Closes what is open about some subjects; the clock, for the statement may have waited.
update app.alerts
set closed_at = clock_timestamp()
where tenant_id = %(tenant_id)s
    and kind = any(%(kinds)s::text[])
    and subject = any(%(subjects)s::text[])
    and closed_at is null

-- list_alerts --
-- What people must look at, newest first; on request also what is closed.
-- cross-tenant: an operator looks after every tenant
select
    a.alert_id,
    t.slug,
    a.kind,
    a.subject,
    a.detail,
    a.occurrences,
    a.opened_at,
    a.last_seen_at,
    a.closed_at
from app.alerts as a
inner join app.tenants as t on a.tenant_id = t.tenant_id
where %(include_closed)s::boolean or a.closed_at is null
order by a.opened_at desc, a.alert_id desc
limit %(limit)s

-- lock_alert --
-- One alert, and whether what it tells of still stops sending.
-- cross-tenant: an operator command starts from the alert's id
select
    a.tenant_id,
    a.kind,
    a.subject,
    a.closed_at is not null as closed,
    case a.kind
        when 'account_blocked' then exists (
            select 1
            from app.whatsapp_accounts as account
            where account.tenant_id = a.tenant_id
                and account.waba_id = a.subject
                and account.blocked_reason is not null
        )
        when 'number_paused' then exists (
            select 1
            from app.phone_numbers as n
            where n.tenant_id = a.tenant_id
                and n.phone_number_id = a.subject
                and n.paused_until > now()
        )
        when 'template_halted' then exists (
            select 1
            from app.templates as t
            where t.tenant_id = a.tenant_id
                and a.subject in (t.template_id::text, t.meta_template_id)
                and t.halted_reason is not null
        )
        when 'category_blocked' then exists (
            select 1
            from app.templates as t
            where t.tenant_id = a.tenant_id
                and t.waba_id = split_part(a.subject, '/', 1)
                and t.category = split_part(a.subject, '/', 2)
                and t.halted_by_account
        )
        when 'country_blocked' then exists (
            select 1
            from app.whatsapp_accounts as account
            where account.tenant_id = a.tenant_id
                and account.waba_id = split_part(a.subject, '/', 1)
                and split_part(a.subject, '/', 2) = any(account.blocked_countries)
        )
        else false
    end as stands
from app.alerts as a
where a.alert_id = %(alert_id)s
for update of a
