-- Media: a tenant's files, kept once, and what Meta calls them for each number.

create table app.media_files (
    tenant_id uuid not null references app.tenants,
    media_file_id uuid not null,
    kind text not null check (kind in ('image', 'video', 'document')),
    mime_type text not null,
    file_name text not null,
    bytes bigint not null check (bytes > 0),
    sha256 bytea not null check (length(sha256) = 32),
    created_by text not null,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (tenant_id, media_file_id)
);
-- The same bytes are kept once.
create unique index media_files_by_content on app.media_files (tenant_id, sha256, mime_type)
    where deleted_at is null;
select ops.protect_tenant_table('app.media_files');
grant select, insert, update (deleted_at) on app.media_files to carteiro_app;

-- In pieces of 1 MiB: a row of 100 MB would be held in memory several times over.
create table app.media_chunks (
    tenant_id uuid not null,
    media_file_id uuid not null,
    chunk_no integer not null,
    content bytea not null,
    primary key (tenant_id, media_file_id, chunk_no),
    foreign key (tenant_id, media_file_id) references app.media_files on delete cascade
);
alter table app.media_chunks alter column content set storage external;
select ops.protect_tenant_table('app.media_chunks');
grant select, insert, delete on app.media_chunks to carteiro_app;

-- Meta's id of a file belongs to one number and lives 30 days.
create table app.media_uploads (
    tenant_id uuid not null,
    media_file_id uuid not null,
    phone_number_id text not null,
    -- null: a worker is uploading until `claimed_until`, or gave up.
    meta_media_id text,
    expires_at timestamptz,
    claimed_until timestamptz,
    uploaded_at timestamptz,
    primary key (tenant_id, media_file_id, phone_number_id),
    foreign key (tenant_id, media_file_id) references app.media_files on delete cascade
);
select ops.protect_tenant_table('app.media_uploads');
grant select on app.media_uploads to carteiro_app;
grant insert, update on app.media_uploads to carteiro_worker;
