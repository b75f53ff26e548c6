-- find_templates --
-- The rows of what a webhook calls by Meta's id, or by name and language.
select t.template_id
from app.templates as t
where t.tenant_id = %(tenant_id)s
    and t.waba_id = %(waba_id)s
    and (
        t.meta_template_id = %(meta_template_id)s
        or (t.name = %(name)s and t.language = %(language)s)
    )

-- follow_status --
-- Follows Meta's words on templates, unless a newer one is known; says what each was and is.
with words as (
    select *
    from unnest(
        %(template_ids)s::uuid[],
        %(statuses)s::text[],
        %(changes_halts)s::boolean[],
        %(halted_reasons)s::text[]
    ) as w (template_id, status, changes_halt, halted_reason)
),

known as materialized (
    select
        t.template_id,
        t.status
    from app.templates as t
    where t.tenant_id = %(tenant_id)s
        and t.template_id = any(%(template_ids)s::uuid[])
        -- Webhooks tell whole seconds: one of the second in which a sync began may be newer.
        and (t.status_noticed_at is null or date_trunc('second', t.status_noticed_at) <= %(at)s)
    order by t.template_id
    for update
)

update app.templates as t
set
    status = w.status,
    status_noticed_at = %(at)s,
    halted_until = case when t.halted_by_account then t.halted_until end,
    halted_reason = case
        when t.halted_by_account then t.halted_reason
        when not w.changes_halt then t.halted_reason
        -- A person lifted the halt after this was said.
        when exists (
            select 1
            from app.alerts as a
            where a.tenant_id = t.tenant_id
                and a.kind = 'template_halted'
                and a.subject in (t.template_id::text, t.meta_template_id)
                and a.closed_at > %(at)s
        ) then t.halted_reason
        else w.halted_reason
    end
from known as k
inner join words as w on k.template_id = w.template_id
where t.tenant_id = %(tenant_id)s
    and t.template_id = k.template_id
returning
    t.template_id,
    t.meta_template_id,
    k.status as status_before,
    t.halted_reason is not null as is_halted

-- follow_quality --
-- Meta's quality scores of templates, unless newer ones are known.
update app.templates as t
set
    quality = w.quality,
    quality_noticed_at = %(at)s
from unnest(%(template_ids)s::uuid[], %(qualities)s::text[]) as w (template_id, quality)
where t.tenant_id = %(tenant_id)s
    and t.template_id = w.template_id
    and (t.quality_noticed_at is null or date_trunc('second', t.quality_noticed_at) <= %(at)s)
returning
    t.template_id,
    t.name,
    t.language,
    t.quality
