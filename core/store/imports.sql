-- insert_import --
-- An import that has begun.
insert into app.imports (tenant_id, import_id, list_id, file_name)
values (%(tenant_id)s, %(import_id)s, %(list_id)s, %(file_name)s)

-- add_import_counts --
-- Adds one batch to an import's counts, in the batch's own transaction.
update app.imports
set
    rows_read = rows_read + %(read)s,
    rows_created = rows_created + %(created)s,
    rows_updated = rows_updated + %(updated)s,
    rows_unchanged = rows_unchanged + %(unchanged)s,
    rows_merged = rows_merged + %(merged)s,
    rows_refused = rows_refused + %(refused)s
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
where i.tenant_id = %(tenant_id)s and i.import_id = %(import_id)s

-- get_import --
-- One import with its counts.
select
    i.import_id,
    i.list_id,
    i.file_name,
    i.status,
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
