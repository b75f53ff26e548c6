-- insert_series --
-- A series that makes its first campaign before its first occurrence.
insert into app.campaign_series (
    tenant_id, series_id, name, phone_number_id, template_id, list_id, parameters, experiment,
    canary, local_delivery, starts_at, rule, max_lateness_seconds, lead_seconds, next_local,
    next_at, created_by, changed_by
)
values (
    %(tenant_id)s, %(series_id)s, %(name)s, %(phone_number_id)s, %(template_id)s, %(list_id)s,
    %(parameters)s::jsonb, %(experiment)s::jsonb, %(canary)s::jsonb, %(local_delivery)s,
    %(starts_at)s, %(rule)s, %(max_lateness_seconds)s,
    %(lead_seconds)s, %(next_local)s, %(next_at)s, %(subject)s, %(subject)s
)

-- lock_series --
-- Holds a series for a change: the scheduler passes over it meanwhile.
select s.series_id
from app.campaign_series as s
where s.tenant_id = %(tenant_id)s
    and s.series_id = %(series_id)s
    and s.status <> 'deleted'
for update

-- get_series --
-- One series, with its template as it is now and whether the tenant wants four eyes.
select
    s.series_id,
    s.name,
    s.phone_number_id,
    s.template_id,
    s.list_id,
    segment.segment_id,
    segment.filter as segment_filter,
    segment.updated_at as segment_updated_at,
    s.parameters,
    s.experiment,
    s.canary,
    s.local_delivery,
    s.starts_at,
    s.rule,
    s.max_lateness_seconds,
    s.lead_seconds,
    s.status,
    s.next_local,
    s.next_at,
    s.approved_by,
    s.approved_at,
    s.approved_template_version_hash,
    s.approved_category,
    s.approved_variant_hashes,
    s.created_by,
    coalesce(s.changed_by, s.created_by) as changed_by,
    app.person_behind(s.tenant_id, coalesce(s.changed_by, s.created_by)) as changed_by_person,
    s.created_at,
    s.updated_at,
    template.version_hash,
    template.category,
    (
        select jsonb_object_agg(arm ->> 'name', own.version_hash)
        from jsonb_path_query(s.experiment, 'lax $.variants[*]') as arm
        inner join app.templates as own
            on s.tenant_id = own.tenant_id
            and arm ->> 'template_id' = own.template_id::text
        where own.template_id <> s.template_id
    ) as variant_hashes,
    tenant.timezone,
    tenant.four_eyes
from app.campaign_series as s
inner join app.templates as template
    on s.tenant_id = template.tenant_id
    and s.template_id = template.template_id
inner join app.tenants as tenant on s.tenant_id = tenant.tenant_id
inner join app.lists as audience
    on s.tenant_id = audience.tenant_id
    and s.list_id = audience.list_id
left join app.segments as segment
    on audience.tenant_id = segment.tenant_id
    and audience.segment_id = segment.segment_id
where s.tenant_id = %(tenant_id)s
    and s.series_id = %(series_id)s
    and s.status <> 'deleted'

-- list_series --
-- The tenant's series, newest first, with their templates as they are now.
select
    s.series_id,
    s.name,
    s.phone_number_id,
    s.template_id,
    s.list_id,
    segment.segment_id,
    segment.filter as segment_filter,
    segment.updated_at as segment_updated_at,
    s.parameters,
    s.experiment,
    s.canary,
    s.local_delivery,
    s.starts_at,
    s.rule,
    s.max_lateness_seconds,
    s.lead_seconds,
    s.status,
    s.next_local,
    s.next_at,
    s.approved_by,
    s.approved_at,
    s.approved_template_version_hash,
    s.approved_category,
    s.approved_variant_hashes,
    s.created_by,
    coalesce(s.changed_by, s.created_by) as changed_by,
    app.person_behind(s.tenant_id, coalesce(s.changed_by, s.created_by)) as changed_by_person,
    s.created_at,
    s.updated_at,
    template.version_hash,
    template.category,
    (
        select jsonb_object_agg(arm ->> 'name', own.version_hash)
        from jsonb_path_query(s.experiment, 'lax $.variants[*]') as arm
        inner join app.templates as own
            on s.tenant_id = own.tenant_id
            and arm ->> 'template_id' = own.template_id::text
        where own.template_id <> s.template_id
    ) as variant_hashes,
    tenant.timezone,
    tenant.four_eyes
from app.campaign_series as s
inner join app.templates as template
    on s.tenant_id = template.tenant_id
    and s.template_id = template.template_id
inner join app.tenants as tenant on s.tenant_id = tenant.tenant_id
inner join app.lists as audience
    on s.tenant_id = audience.tenant_id
    and s.list_id = audience.list_id
left join app.segments as segment
    on audience.tenant_id = segment.tenant_id
    and audience.segment_id = segment.segment_id
where s.tenant_id = %(tenant_id)s
    and s.status <> 'deleted'
    and (%(after)s::uuid is null or s.series_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or s.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or s.created_at < %(created_to)s)
    and (%(state)s::text is null or s.status = %(state)s::text)
order by s.series_id desc
limit %(limit)s

-- change_series --
-- Writes what a series is from now on; what matters takes the standing approval away.
update app.campaign_series
set
    name = %(name)s,
    phone_number_id = %(phone_number_id)s,
    template_id = %(template_id)s,
    list_id = %(list_id)s,
    parameters = %(parameters)s::jsonb,
    experiment = %(experiment)s::jsonb,
    canary = %(canary)s::jsonb,
    local_delivery = %(local_delivery)s,
    starts_at = %(starts_at)s,
    rule = %(rule)s,
    max_lateness_seconds = %(max_lateness_seconds)s,
    lead_seconds = %(lead_seconds)s,
    updated_at = now(),
    changed_by = case when %(matters)s then %(subject)s else changed_by end,
    approved_by = case when %(matters)s then null else approved_by end,
    approved_at = case when %(matters)s then null else approved_at end,
    approved_template_version_hash = case
        when %(matters)s then null else approved_template_version_hash
    end,
    approved_category = case when %(matters)s then null else approved_category end,
    approved_variant_hashes = case when %(matters)s then null else approved_variant_hashes end
where tenant_id = %(tenant_id)s
    and series_id = %(series_id)s

-- set_series_status --
-- Pauses, resumes, ends or deletes a series, with the occurrence that comes next.
update app.campaign_series
set
    status = %(status)s,
    next_local = %(next_local)s,
    next_at = %(next_at)s,
    updated_at = now()
where tenant_id = %(tenant_id)s
    and series_id = %(series_id)s

-- approve_series --
-- A standing approval of what was read: with these versions of its templates, and this category.
update app.campaign_series
set
    approved_by = %(subject)s,
    approved_at = now(),
    approved_template_version_hash = %(version_hash)s,
    approved_category = %(category)s,
    approved_variant_hashes = %(variant_hashes)s::jsonb,
    updated_at = now()
where tenant_id = %(tenant_id)s
    and series_id = %(series_id)s

-- withdraw_campaigns --
-- Cancels what a series has made and nobody has started. Occurrences still ahead are forgotten,
-- so that they are made anew; the rows of the campaigns are taken back by the settler.
with withdrawn as (
    update app.campaigns
    set
        status = 'cancelled',
        status_reason = %(reason)s,
        cancelled_at = now()
    where tenant_id = %(tenant_id)s
        and series_id = %(series_id)s
        and launched_at is null
        and finished_at is null
        and status <> 'cancelled'
    returning campaign_id
)

delete from app.series_occurrences as o
using withdrawn as w
where o.tenant_id = %(tenant_id)s
    and o.series_id = %(series_id)s
    and o.campaign_id = w.campaign_id
    and o.occurs_at > now()

-- list_occurrences --
-- What became of a series' occurrences, the last first.
select
    o.occurrence as occurs_local,
    o.occurs_at,
    o.campaign_id,
    shown.state as campaign_state,
    o.skipped_reason,
    o.recorded_at
from app.series_occurrences as o
left join app.campaign_states as shown
    on o.tenant_id = shown.tenant_id
    and o.campaign_id = shown.campaign_id
where o.tenant_id = %(tenant_id)s
    and o.series_id = %(series_id)s
    and (%(after)s::timestamp is null or o.occurrence < %(after)s::timestamp)
    and (%(created_from)s::timestamptz is null or o.occurs_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or o.occurs_at < %(created_to)s)
    and (%(state)s::text is null or shown.state = %(state)s)
order by o.occurrence desc
limit %(limit)s
