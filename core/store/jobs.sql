-- list_jobs --
-- A tenant's long work of every kind, the newest first.
with imports as (
    select
        i.import_id as job_id,
        'import' as kind,
        i.status,
        i.created_at,
        i.finished_at,
        i.rows_read::bigint as done,
        case when i.status = 'finished' then i.rows_read::bigint end as total,
        i.failure,
        '/v1/contacts/imports/' || i.import_id as result
    from app.imports as i
    where i.tenant_id = %(tenant_id)s
),

exports as (
    select
        e.export_id as job_id,
        'export' as kind,
        case when e.status in ('ready', 'expired') then 'finished' else e.status end as status,
        e.requested_at as created_at,
        e.finished_at,
        coalesce(e.rows, 0) as done,
        e.rows as total,
        e.failure,
        '/v1/exports/' || e.export_id as result
    from app.exports as e
    where e.tenant_id = %(tenant_id)s
),

redrives as (
    select
        r.redrive_id as job_id,
        'redrive' as kind,
        case
            when r.finished_at is not null then 'finished'
            when r.redriven > 0 then 'running'
            else 'queued'
        end as status,
        r.requested_at as created_at,
        r.finished_at,
        r.redriven::bigint as done,
        r.matching::bigint as total,
        null::text as failure,
        '/v1/campaigns/' || r.campaign_id || '/redrives' as result
    from app.redrives as r
    where r.tenant_id = %(tenant_id)s
),

plans as (
    select
        c.campaign_id as job_id,
        'plan' as kind,
        case
            when c.status = 'planning' and p.total is null then 'queued'
            when c.status = 'planning' then 'running'
            when c.status = 'plan_failed' then 'failed'
            when c.planned_at is not null then 'finished'
            else 'cancelled'
        end as status,
        c.created_at,
        case when c.status <> 'planning' then c.planned_at end as finished_at,
        coalesce(p.done, 0) as done,
        p.total,
        case when c.status = 'plan_failed' then c.status_reason end as failure,
        '/v1/campaigns/' || c.campaign_id as result
    from app.campaigns as c
    left join lateral (
        select
            sum(k.people) as total,
            coalesce(sum(k.people) filter (where k.done_at is not null), 0) as done
        from app.plan_chunks as k
        where k.tenant_id = %(tenant_id)s and k.campaign_id = c.campaign_id
    ) as p on true
    where c.tenant_id = %(tenant_id)s and c.plan_requested_by is not null
),

jobs as (
    select * from imports
    union all
    select * from exports
    union all
    select * from redrives
    union all
    select * from plans
)

select
    j.job_id,
    j.kind,
    j.status,
    j.created_at,
    j.finished_at,
    j.done,
    j.total,
    j.failure,
    j.result
from jobs as j
where (%(job_id)s::uuid is null or j.job_id = %(job_id)s::uuid)
    and (%(after)s::uuid is null or j.job_id < %(after)s::uuid)
    and (%(kind)s::text is null or j.kind = %(kind)s)
    and (%(state)s::text is null or j.status = %(state)s)
    and (%(created_from)s::timestamptz is null or j.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or j.created_at < %(created_to)s)
order by j.job_id desc
limit %(limit)s
