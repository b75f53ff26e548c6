-- find_by_content --
-- The tenant's file with exactly these bytes, if it is kept already.
select
    f.media_file_id,
    f.kind,
    f.mime_type,
    f.file_name,
    f.bytes,
    f.created_by,
    f.created_at
from app.media_files as f
where f.tenant_id = %(tenant_id)s
    and f.sha256 = %(sha256)s
    and f.mime_type = %(mime_type)s
    and f.deleted_at is null

-- insert_media_file --
-- Keeps a new file; no row when the same bytes have just been kept by somebody else.
insert into app.media_files (
    tenant_id, media_file_id, kind, mime_type, file_name, bytes, sha256, created_by
)
values (
    %(tenant_id)s, %(media_file_id)s, %(kind)s, %(mime_type)s, %(file_name)s, %(bytes)s,
    %(sha256)s, %(created_by)s
)
on conflict (tenant_id, sha256, mime_type) where deleted_at is null do nothing

-- insert_chunk --
-- Keeps one piece of a file.
insert into app.media_chunks (tenant_id, media_file_id, chunk_no, content)
values (%(tenant_id)s, %(media_file_id)s, %(chunk_no)s, %(content)s)

-- list_media_files --
-- The tenant's files, newest first.
select
    f.media_file_id,
    f.kind,
    f.mime_type,
    f.file_name,
    f.bytes,
    f.created_by,
    f.created_at
from app.media_files as f
where f.tenant_id = %(tenant_id)s
    and f.deleted_at is null
    and (%(after)s::uuid is null or f.media_file_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or f.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or f.created_at < %(created_to)s)
order by f.media_file_id desc
limit %(limit)s

-- get_media_file --
-- One file.
select
    f.media_file_id,
    f.kind,
    f.mime_type,
    f.file_name,
    f.bytes,
    f.created_by,
    f.created_at
from app.media_files as f
where f.tenant_id = %(tenant_id)s
    and f.media_file_id = %(media_file_id)s
    and f.deleted_at is null

-- list_uploads --
-- For which numbers Meta has a file, and until when.
select
    u.phone_number_id,
    u.uploaded_at,
    u.expires_at
from app.media_uploads as u
where u.tenant_id = %(tenant_id)s
    and u.media_file_id = %(media_file_id)s
    and u.meta_media_id is not null
order by u.phone_number_id

-- delete_media_file --
-- Marks a file as gone.
update app.media_files
set deleted_at = now()
where tenant_id = %(tenant_id)s
    and media_file_id = %(media_file_id)s
    and deleted_at is null

-- delete_chunks --
-- Drops the bytes of a file.
delete from app.media_chunks
where tenant_id = %(tenant_id)s
    and media_file_id = %(media_file_id)s

-- get_upload --
-- Meta's id of a file for a number, while it has a day to live.
select
    u.meta_media_id,
    u.expires_at
from app.media_uploads as u
where u.tenant_id = %(tenant_id)s
    and u.media_file_id = %(media_file_id)s
    and u.phone_number_id = %(phone_number_id)s
    and u.meta_media_id is not null
    and u.expires_at > now() + interval '1 day'

-- claim_upload --
-- Takes the right to upload a file for a number for two minutes; no row while another has it.
insert into app.media_uploads as u (
    tenant_id, media_file_id, phone_number_id, claimed_until
)
values (
    %(tenant_id)s, %(media_file_id)s, %(phone_number_id)s, now() + interval '2 minutes'
)
on conflict (tenant_id, media_file_id, phone_number_id) do update
set claimed_until = excluded.claimed_until
where u.claimed_until is null
    or u.claimed_until < now()

-- finish_upload --
-- Keeps Meta's id of a file; it lives 30 days (Media, updated 2026-04-17).
update app.media_uploads
set
    meta_media_id = %(meta_media_id)s,
    uploaded_at = now(),
    expires_at = now() + interval '30 days',
    claimed_until = null
where tenant_id = %(tenant_id)s
    and media_file_id = %(media_file_id)s
    and phone_number_id = %(phone_number_id)s

-- give_up_upload --
-- Lets another worker upload, after some seconds.
update app.media_uploads
set claimed_until = now() + make_interval(secs => %(seconds)s)
where tenant_id = %(tenant_id)s
    and media_file_id = %(media_file_id)s
    and phone_number_id = %(phone_number_id)s

-- get_file_to_upload --
-- What an upload says of a file.
select
    f.mime_type,
    f.file_name
from app.media_files as f
where f.tenant_id = %(tenant_id)s
    and f.media_file_id = %(media_file_id)s
    and f.deleted_at is null

-- read_chunks --
-- The bytes of a file, piece by piece.
select c.content
from app.media_chunks as c
where c.tenant_id = %(tenant_id)s
    and c.media_file_id = %(media_file_id)s
order by c.chunk_no

-- find_use --
-- A campaign that is not over and names a file in its parameters.
select c.campaign_id
from app.campaigns as c
where c.tenant_id = %(tenant_id)s
    and c.status <> 'cancelled'
    and c.finished_at is null
    and (
        c.parameters::text like '%%' || %(reference)s || '%%'
        or c.experiment::text like '%%' || %(reference)s || '%%'
    )
limit 1
