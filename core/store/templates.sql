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
    t.synced_at
from app.templates as t
where t.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or t.template_id < %(after)s::uuid)
    and (%(status)s::text is null or t.status = %(status)s::text)
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
-- Takes over an account's templates; says which rows are new and which changed.
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
        %(ttls)s::integer[]
    ) as i (
        template_id, meta_template_id, name, language, category, status, quality, components,
        parameter_format, version_hash, ttl_seconds
    )
),

known as (
    select t.template_id, t.name, t.language, t.status, t.category, t.quality, t.version_hash
    from app.templates as t
    where t.tenant_id = %(tenant_id)s and t.waba_id = %(waba_id)s
),

written as (
    insert into app.templates as t (
        tenant_id, template_id, waba_id, meta_template_id, name, language, category, status,
        quality, components, parameter_format, version_hash, message_send_ttl_seconds, synced_at
    )
    select
        %(tenant_id)s, i.template_id, %(waba_id)s, i.meta_template_id, i.name, i.language,
        i.category, i.status, i.quality, i.components, i.parameter_format, i.version_hash,
        i.ttl_seconds, %(synced_at)s
    from incoming as i
    on conflict (tenant_id, waba_id, name, language) do update
    set
        meta_template_id = excluded.meta_template_id,
        category = excluded.category,
        status = excluded.status,
        quality = excluded.quality,
        components = excluded.components,
        parameter_format = excluded.parameter_format,
        version_hash = excluded.version_hash,
        message_send_ttl_seconds = excluded.message_send_ttl_seconds,
        -- A halt ends when Meta approves the template again, never by a mere sync.
        halted_reason = case
            when excluded.status = 'APPROVED' and t.status <> 'APPROVED' then null
            else t.halted_reason
        end,
        synced_at = excluded.synced_at
    returning t.name, t.language, t.status, t.category, t.quality, t.version_hash
)

select
    count(*) as total,
    count(*) filter (where k.template_id is null) as created,
    count(*) filter (
        where k.template_id is not null
            and (k.status, k.category, k.quality, k.version_hash)
            is distinct from (w.status, w.category, w.quality, w.version_hash)
    ) as changed
from written as w
left join known as k on w.name = k.name and w.language = k.language

-- mark_templates_deleted --
-- Templates of an account that Meta no longer lists: kept, for messages refer to them.
update app.templates
set status = 'DELETED', synced_at = %(synced_at)s
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and status <> 'DELETED'
    and synced_at < %(synced_at)s
returning template_id
