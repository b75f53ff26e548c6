-- list_templates --
-- Templates of the tenant, newest first, by state and category when asked.
select
    t.template_id,
    t.waba_id,
    t.meta_template_id,
    t.name,
    t.language,
    t.category,
    t.status,
    t.quality,
    t.parameter_format,
    t.version_hash,
    t.halted_reason,
    t.rejected_reason,
    t.draft is not null as has_draft,
    t.submitted_at,
    t.synced_at,
    t.created_at
from app.templates as t
where t.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or t.template_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or t.created_at >= %(created_from)s::timestamptz)
    and (%(created_to)s::timestamptz is null or t.created_at < %(created_to)s::timestamptz)
    and (%(state)s::text is null or t.status = %(state)s::text)
    and (%(category)s::text is null or t.category = %(category)s::text)
    and (%(name)s::text is null or t.name = %(name)s::text)
order by t.template_id desc
limit %(limit)s

-- get_template --
-- One template with its components as Meta gave them.
select
    t.template_id,
    t.waba_id,
    t.meta_template_id,
    t.name,
    t.language,
    t.category,
    t.status,
    t.quality,
    t.components,
    t.parameter_format,
    t.version_hash,
    t.halted_reason,
    t.synced_at
from app.templates as t
where t.tenant_id = %(tenant_id)s and t.template_id = %(template_id)s

-- describe_template --
-- One template with its draft, and how it came to be what it is.
select
    t.template_id,
    t.waba_id,
    t.meta_template_id,
    t.name,
    t.language,
    t.category,
    t.status,
    t.quality,
    t.components,
    t.parameter_format,
    t.version_hash,
    t.message_send_ttl_seconds,
    t.halted_reason,
    t.rejected_reason,
    t.draft is not null as has_draft,
    t.draft,
    t.submitted_at,
    t.synced_at,
    t.created_at
from app.templates as t
where t.tenant_id = %(tenant_id)s and t.template_id = %(template_id)s

-- lock_template --
-- One template with its draft, held until the transaction ends.
select
    t.template_id,
    t.waba_id,
    t.meta_template_id,
    t.name,
    t.language,
    t.category,
    t.status,
    t.draft,
    -- Meta's answer is waited for 30 seconds; whoever began it and is silent since has died.
    coalesce(t.submitted_at > now() - interval '90 seconds', false) as is_submitting
from app.templates as t
where t.tenant_id = %(tenant_id)s and t.template_id = %(template_id)s
for update

-- insert_draft --
-- A template that Meta doesn't have yet; nothing when the account has one of its name and language.
insert into app.templates (
    tenant_id, template_id, waba_id, meta_template_id, name, language, category, status, components,
    parameter_format, version_hash, message_send_ttl_seconds, draft, created_by, synced_at
)
values (
    %(tenant_id)s, %(template_id)s, %(waba_id)s, '', %(name)s, %(language)s, %(category)s, 'DRAFT',
    %(components)s, %(parameter_format)s, %(version_hash)s, %(ttl_seconds)s, %(draft)s,
    %(created_by)s, %(now)s
)
on conflict do nothing
returning template_id

-- keep_draft --
-- What a person wrote now; a template that never was at Meta is nothing but its draft.
update app.templates as t
set
    draft = %(draft)s,
    category = case when t.status = 'DRAFT' then %(category)s else t.category end,
    components = case when t.status = 'DRAFT' then %(components)s else t.components end,
    parameter_format = case
        when t.status = 'DRAFT' then %(parameter_format)s else t.parameter_format
    end,
    version_hash = case when t.status = 'DRAFT' then %(version_hash)s else t.version_hash end,
    message_send_ttl_seconds = case
        when t.status = 'DRAFT' then %(ttl_seconds)s else t.message_send_ttl_seconds
    end
where t.tenant_id = %(tenant_id)s and t.template_id = %(template_id)s

-- drop_draft --
-- Forgets what was changed of a template that Meta has.
update app.templates
set draft = null
where tenant_id = %(tenant_id)s
    and template_id = %(template_id)s
    and status <> 'DRAFT'
    and draft is not null

-- begin_submission --
-- The call to Meta begins after this commits.
update app.templates
set submitted_at = now()
where tenant_id = %(tenant_id)s and template_id = %(template_id)s

-- end_submission --
-- Meta's answer was no: the draft stays.
update app.templates
set submitted_at = null
where tenant_id = %(tenant_id)s and template_id = %(template_id)s

-- take_submission --
-- Meta has the draft now. A webhook or a sync that came before this commit keeps its word.
update app.templates as t
set
    meta_template_id = %(meta_template_id)s,
    category = %(category)s,
    components = %(components)s,
    parameter_format = %(parameter_format)s,
    version_hash = %(version_hash)s,
    message_send_ttl_seconds = %(ttl_seconds)s,
    status = case
        -- Webhooks tell whole seconds, a sync the instant at which it began to read.
        when t.status <> 'DRAFT'
            and t.status_noticed_at >= case
                when t.status_noticed_at = date_trunc('second', t.status_noticed_at)
                    then date_trunc('second', t.submitted_at)
                else t.submitted_at
            end
            then t.status
        when t.status <> 'DRAFT' and t.synced_at > t.submitted_at then t.status
        else %(status)s
    end,
    rejected_reason = null,
    draft = null,
    submitted_at = null
where t.tenant_id = %(tenant_id)s and t.template_id = %(template_id)s

-- delete_draft --
-- A template that never was at Meta and that nothing refers to.
delete from app.templates
where tenant_id = %(tenant_id)s and template_id = %(template_id)s and status = 'DRAFT'

-- mark_template_deleted --
-- Deleted at Meta; kept here, for messages refer to it.
update app.templates
set
    status = 'DELETED',
    draft = null,
    submitted_at = null
where tenant_id = %(tenant_id)s and template_id = %(template_id)s and status <> 'DELETED'

-- count_template_uses --
-- Campaigns and series that still want a template, also as one of their variants.
select
    (
        select count(*)
        from app.campaigns as c
        where c.tenant_id = %(tenant_id)s
            and c.status not in ('cancelled', 'plan_failed')
            and c.finished_at is null
            and (
                c.template_id = %(template_id)s
                or c.experiment -> 'variants' @> jsonb_build_array(
                    jsonb_build_object('template_id', %(template_id)s::text)
                )
            )
    ) as campaigns,
    (
        select count(*)
        from app.campaign_series as s
        where s.tenant_id = %(tenant_id)s
            and s.status in ('active', 'paused')
            and (
                s.template_id = %(template_id)s
                or s.experiment -> 'variants' @> jsonb_build_array(
                    jsonb_build_object('template_id', %(template_id)s::text)
                )
            )
    ) as series,
    (
        select count(*)
        from app.campaigns as c
        where c.tenant_id = %(tenant_id)s and c.template_id = %(template_id)s
    ) as ever

-- find_template --
-- One template of an account by name and language.
select
    t.template_id,
    t.waba_id,
    t.meta_template_id,
    t.name,
    t.language,
    t.category,
    t.status,
    t.quality,
    t.components,
    t.parameter_format,
    t.version_hash,
    t.halted_reason,
    t.synced_at
from app.templates as t
where t.tenant_id = %(tenant_id)s
    and t.waba_id = %(waba_id)s
    and t.name = %(name)s
    and t.language = %(language)s

-- upsert_templates --
-- Takes over an account's templates; says which rows are new, which changed, and of which Meta's
-- status or quality is news: those words are followed as if a webhook had brought them.
with incoming as (
    select *
    from unnest(
        %(template_ids)s::uuid[],
        %(meta_template_ids)s::text[],
        %(names)s::text[],
        %(languages)s::text[],
        %(categories)s::text[],
        %(statuses)s::text[],
        %(qualities)s::text[],
        %(components)s::jsonb[],
        %(parameter_formats)s::text[],
        %(version_hashes)s::text[],
        %(ttls)s::integer[],
        %(rejected_reasons)s::text[]
    ) as i (
        template_id, meta_template_id, name, language, category, status, quality, components,
        parameter_format, version_hash, ttl_seconds, rejected_reason
    )
),

known as (
    select
        t.template_id, t.name, t.language, t.status, t.category, t.quality, t.version_hash,
        t.halted_reason
    from app.templates as t
    where t.tenant_id = %(tenant_id)s and t.waba_id = %(waba_id)s
),

written as (
    insert into app.templates as t (
        tenant_id, template_id, waba_id, meta_template_id, name, language, category, status,
        quality, components, parameter_format, version_hash, message_send_ttl_seconds,
        rejected_reason, halted_reason, synced_at
    )
    select
        %(tenant_id)s, i.template_id, %(waba_id)s, i.meta_template_id, i.name, i.language,
        i.category, i.status, i.quality, i.components, i.parameter_format, i.version_hash,
        i.ttl_seconds, i.rejected_reason,
        case when i.status = any(%(halting)s::text[]) then 'Meta: ' || i.status end,
        %(synced_at)s
    from incoming as i
    on conflict (tenant_id, waba_id, name, language) do update
    set
        meta_template_id = excluded.meta_template_id,
        category = excluded.category,
        -- What Meta has already keeps its status and quality until the words are followed.
        status = case when t.status = 'DRAFT' then excluded.status else t.status end,
        components = excluded.components,
        parameter_format = excluded.parameter_format,
        version_hash = excluded.version_hash,
        message_send_ttl_seconds = excluded.message_send_ttl_seconds,
        rejected_reason = excluded.rejected_reason,
        -- A draft that Meta has after all: the call was made, and its answer was never written.
        draft = case
            when t.status = 'DRAFT' then null
            when t.submitted_at is not null and t.version_hash <> excluded.version_hash then null
            else t.draft
        end,
        submitted_at = case
            when t.status = 'DRAFT' then null
            when t.version_hash <> excluded.version_hash then null
            when t.submitted_at < %(synced_at)s - interval '90 seconds' then null
            else t.submitted_at
        end,
        halted_reason = case
            when t.status = 'DRAFT' then excluded.halted_reason else t.halted_reason
        end,
        synced_at = excluded.synced_at
    returning t.name, t.language, t.category
)

select
    count(*) as total,
    count(*) filter (where k.template_id is null) as created,
    count(*) filter (
        where k.template_id is not null
            and (k.status, k.category, k.quality, k.version_hash)
            is distinct from (i.status, i.category, i.quality, i.version_hash)
    ) as changed,
    coalesce(
        array_agg(k.template_id) filter (where k.category <> w.category), '{}'
    ) as recategorised,
    -- A halt ends when Meta approves the template again, never by its being approved still.
    coalesce(
        jsonb_object_agg(k.template_id, i.status) filter (
            where k.status <> 'DRAFT'
                and (
                    k.status <> i.status
                    or (k.halted_reason is null and i.status = any(%(halting)s::text[]))
                )
        ), '{}'
    ) as statuses,
    coalesce(
        jsonb_object_agg(k.template_id, i.quality) filter (where k.quality <> i.quality), '{}'
    ) as qualities
from written as w
inner join incoming as i on w.name = i.name and w.language = i.language
left join known as k on w.name = k.name and w.language = k.language

-- list_vanished --
-- Templates of an account that Meta no longer lists: kept, for messages refer to them.
select t.template_id
from app.templates as t
where t.tenant_id = %(tenant_id)s
    and t.waba_id = %(waba_id)s
    and t.status not in ('DELETED', 'DRAFT')
    and t.synced_at < %(synced_at)s
    -- What Meta lists and we cannot use is not gone.
    and not exists (
        select 1
        from unnest(%(skipped_names)s::text[], %(skipped_languages)s::text[])
            as s (name, language)
        where s.name = t.name
            and s.language = t.language
    )
