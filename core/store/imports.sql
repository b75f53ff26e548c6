-- count_open_imports --
-- How many of the tenant's imports have not ended.
select count(*) as open
from app.imports as i
where i.tenant_id = %(tenant_id)s
    and i.status in ('queued', 'running')
    and i.file_bytes is not null

-- insert_import --
-- An import whose file is in the database by the end of the same transaction.
insert into app.imports (
    tenant_id, import_id, list_id, file_name, status, dry_run, options, file_bytes
)
values (
    %(tenant_id)s, %(import_id)s, %(list_id)s, %(file_name)s, 'queued', %(dry_run)s, %(options)s,
    %(file_bytes)s
)

-- insert_import_chunk --
-- One piece of a file.
insert into app.import_chunks (tenant_id, import_id, chunk_no, content)
values (%(tenant_id)s, %(import_id)s, %(chunk_no)s, %(content)s)

-- find_open_import --
-- The import that waits the longest for its next turn, and that nobody works at.
-- cross-tenant: a planner serves all tenants
select i.tenant_id, i.import_id
from app.imports as i
where i.status in ('queued', 'running') and i.file_bytes is not null
order by i.worked_at, i.import_id
limit 1
for update skip locked

-- take_import --
-- An import for one batch: its row is locked until the batch is written, so that nobody else does.
select i.list_id, i.dry_run, i.options, i.bytes_read, i.lines_read
from app.imports as i
where i.tenant_id = %(tenant_id)s
    and i.import_id = %(import_id)s
    and i.status in ('queued', 'running')
for update skip locked

-- get_import_chunk --
-- One piece of an import's file.
select c.content
from app.import_chunks as c
where c.tenant_id = %(tenant_id)s
    and c.import_id = %(import_id)s
    and c.chunk_no = %(chunk_no)s

-- replace_import_file --
-- From here on the import's file is another form of itself.
update app.imports
set options = %(options)s, file_bytes = %(file_bytes)s, worked_at = clock_timestamp()
where tenant_id = %(tenant_id)s and import_id = %(import_id)s

-- list_seen_people --
-- Which of these people earlier batches of the file had.
select p.match_key, p.old_form
from app.import_people as p
where p.tenant_id = %(tenant_id)s
    and p.import_id = %(import_id)s
    and p.match_key = any(%(match_keys)s::text[])

-- insert_seen_people --
-- The people whom a batch had for the first time.
insert into app.import_people (tenant_id, import_id, match_key, old_form)
select %(tenant_id)s, %(import_id)s, p.match_key, p.old_form
from unnest(%(match_keys)s::text[], %(old_forms)s::boolean[]) as p (match_key, old_form)

-- advance_import --
-- Adds one batch to an import's counts and moves its position, in the batch's own transaction.
update app.imports
set
    status = 'running',
    rows_read = rows_read + %(read)s,
    rows_created = rows_created + %(created)s,
    rows_updated = rows_updated + %(updated)s,
    rows_unchanged = rows_unchanged + %(unchanged)s,
    rows_merged = rows_merged + %(merged)s,
    rows_refused = rows_refused + %(refused)s,
    bytes_read = %(bytes_read)s,
    lines_read = %(lines_read)s,
    worked_at = clock_timestamp(),
    tries = 0
where tenant_id = %(tenant_id)s and import_id = %(import_id)s

-- count_failed_try --
-- A batch failed; its import waits for its next turn.
update app.imports
set tries = tries + 1, worked_at = clock_timestamp()
where tenant_id = %(tenant_id)s
    and import_id = %(import_id)s
    and status in ('queued', 'running')
returning tries

-- delete_import_chunks --
-- The file of an import that has ended.
delete from app.import_chunks
where tenant_id = %(tenant_id)s and import_id = %(import_id)s

-- delete_seen_people --
-- Whom the file of an import that has ended had.
delete from app.import_people
where tenant_id = %(tenant_id)s and import_id = %(import_id)s

-- insert_import_errors --
-- The refused, merged and doubtful rows of one batch, never with their values.
insert into app.import_errors (
    tenant_id, import_id, row_number, outcome, column_name, code, advice
)
select %(tenant_id)s, %(import_id)s, e.row_number, e.outcome, e.column_name, e.code, e.advice
from unnest(
    %(row_numbers)s::integer[],
    %(outcomes)s::text[],
    %(column_names)s::text[],
    %(codes)s::text[],
    %(advices)s::text[]
) as e (row_number, outcome, column_name, code, advice)
on conflict (tenant_id, import_id, row_number, code) do nothing

-- finish_import --
-- Ends an import; the reasons are counted from the rows, not carried along.
update app.imports as i
set
    status = %(status)s,
    failure = %(failure)s,
    finished_at = now(),
    refused_by_reason = coalesce(
        (
            select jsonb_object_agg(r.code, r.rows)
            from (
                select e.code, count(*) as rows
                from app.import_errors as e
                where e.tenant_id = %(tenant_id)s
                    and e.import_id = %(import_id)s
                    and e.outcome = 'refused'
                group by e.code
            ) as r
        ),
        '{}'
    )
where i.tenant_id = %(tenant_id)s
    and i.import_id = %(import_id)s
    and i.status in ('queued', 'running')

-- get_import --
-- One import with its counts.
select
    i.import_id,
    i.list_id,
    i.file_name,
    i.status,
    i.dry_run,
    i.file_bytes,
    i.bytes_read,
    i.rows_read,
    i.rows_created,
    i.rows_updated,
    i.rows_unchanged,
    i.rows_merged,
    i.rows_refused,
    i.refused_by_reason,
    i.failure,
    i.created_at,
    i.finished_at
from app.imports as i
where i.tenant_id = %(tenant_id)s and i.import_id = %(import_id)s

-- list_imports --
-- The tenant's imports, newest first.
select
    i.import_id,
    i.list_id,
    i.file_name,
    i.status,
    i.dry_run,
    i.file_bytes,
    i.bytes_read,
    i.rows_read,
    i.rows_created,
    i.rows_updated,
    i.rows_unchanged,
    i.rows_merged,
    i.rows_refused,
    i.refused_by_reason,
    i.failure,
    i.created_at,
    i.finished_at
from app.imports as i
where i.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or i.import_id < %(after)s::uuid)
    and (%(state)s::text is null or i.status = %(state)s)
    and (%(dry_run)s::boolean is null or i.dry_run = %(dry_run)s)
    and (%(created_from)s::timestamptz is null or i.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or i.created_at < %(created_to)s)
order by i.import_id desc
limit %(limit)s

-- list_import_errors --
-- One page of an import's row-level file, in the order of the file.
select e.row_number, e.outcome, e.column_name, e.code, e.advice
from app.import_errors as e
where e.tenant_id = %(tenant_id)s
    and e.import_id = %(import_id)s
    and (e.row_number, e.code) > (%(after_row)s, %(after_code)s)
order by e.row_number, e.code
limit %(limit)s

-- list_waiting_imports --
-- Imports for whose next turn nobody came within the time, and how long they have waited.
-- cross-tenant: one scheduler serves every tenant
select i.tenant_id, i.import_id, extract(epoch from now() - i.worked_at)::integer as waited_seconds
from app.imports as i
where i.status in ('queued', 'running')
    and i.file_bytes is not null
    and i.worked_at < now() - make_interval(secs => %(seconds)s)
order by i.worked_at

-- close_waiting_imports --
-- Ends the alerts of imports that move again or have ended.
-- cross-tenant: one scheduler serves every tenant
update app.alerts
set closed_at = now()
where kind = 'import_waiting'
    and closed_at is null
    and not subject = any(%(still)s::text[])
returning tenant_id, subject
