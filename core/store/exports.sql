-- insert_export --
-- An export that somebody asked for; the data path picks it up.
insert into app.exports (tenant_id, export_id, dataset, format, filters, requested_by)
values (
    %(tenant_id)s, %(export_id)s, %(dataset)s, %(format)s, %(filters)s::jsonb, %(requested_by)s
)
returning
    export_id, dataset, format, filters, status, rows, bytes, sha256, failure, requested_by,
    requested_at, finished_at, expires_at

-- count_open_exports --
-- Exports of the tenant that are still to be made.
select count(*) as open_exports
from app.exports as e
where e.tenant_id = %(tenant_id)s and e.status in ('queued', 'running')

-- list_exports --
-- The tenant's exports, newest first.
select
    e.export_id, e.dataset, e.format, e.filters, e.status, e.rows, e.bytes, e.sha256, e.failure,
    e.requested_by, e.requested_at, e.finished_at, e.expires_at
from app.exports as e
where e.tenant_id = %(tenant_id)s
    and (
        %(after_id)s::uuid is null
        or (e.requested_at, e.export_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)
    )
    and (%(created_from)s::timestamptz is null or e.requested_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or e.requested_at < %(created_to)s)
    and (%(state)s::text is null or e.status = %(state)s)
order by e.requested_at desc, e.export_id desc
limit %(limit)s

-- get_export --
-- One export with its manifest.
select
    e.export_id, e.dataset, e.format, e.filters, e.status, e.rows, e.bytes, e.sha256, e.failure,
    e.requested_by, e.requested_at, e.finished_at, e.expires_at, e.manifest
from app.exports as e
where e.tenant_id = %(tenant_id)s and e.export_id = %(export_id)s

-- get_export_file --
-- Where the file of a ready export lies.
select e.status, e.format, e.path, e.bytes, e.sha256, e.expires_at
from app.exports as e
where e.tenant_id = %(tenant_id)s and e.export_id = %(export_id)s
