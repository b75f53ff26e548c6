-- Imports as jobs: the file waits in the database until a planner has worked it off, batch by batch.
-- Each batch and the position after it are one transaction. Expand only.

alter table app.imports
    drop constraint imports_status_check,
    add constraint imports_status_check
        check (status in ('queued', 'running', 'finished', 'failed')),
    -- A dry run has none.
    alter column list_id drop not null,
    add column dry_run boolean not null default false,
    -- What the request said: region, mapping, basis of consent.
    add column options jsonb not null default '{}',
    -- null: taken in the request itself, by an older release.
    add column file_bytes bigint,
    -- The beginning of the next row: its byte in the file, and the lines before it.
    add column bytes_read bigint not null default 0,
    add column lines_read integer not null default 0,
    -- Imports take turns: the one that waits the longest is the next.
    add column worked_at timestamptz not null default now(),
    -- Batches in a row that failed for a reason nobody foresaw.
    add column tries integer not null default 0;
create index imports_open on app.imports (worked_at, import_id)
    where status in ('queued', 'running') and file_bytes is not null;

-- The file in pieces of 1 MiB, until the import has ended.
create table app.import_chunks (
    tenant_id uuid not null,
    import_id uuid not null,
    chunk_no integer not null,
    content bytea not null,
    primary key (tenant_id, import_id, chunk_no),
    foreign key (tenant_id, import_id) references app.imports on delete cascade
);
alter table app.import_chunks alter column content set storage external;
select ops.protect_tenant_table('app.import_chunks');

-- Whom the file has had so far, so that the first row of a person counts across batches; until the
-- import has ended.
create table app.import_people (
    tenant_id uuid not null,
    import_id uuid not null,
    match_key text not null,
    -- Brazil: that row had no ninth digit.
    old_form boolean not null,
    primary key (tenant_id, import_id, match_key),
    foreign key (tenant_id, import_id) references app.imports on delete cascade
);
select ops.protect_tenant_table('app.import_people');

grant select, insert on app.import_chunks to carteiro_app;
grant select, insert, update, delete on app.import_chunks, app.import_people to carteiro_worker;
grant update on app.imports to carteiro_worker;
grant insert on app.import_errors to carteiro_worker;

-- Told is how an import ended, not that it began; a dry run changes nothing and tells nothing.
drop trigger tell_tenant on app.imports;
create trigger tell_tenant after update of status on app.imports
    for each row when (
        old.status is distinct from new.status
        and new.status in ('finished', 'failed')
        and not new.dry_run
    )
    execute function app.tell_import();
