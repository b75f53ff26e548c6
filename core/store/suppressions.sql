-- save_suppression --
-- A person's word that somebody is left alone; what lasts longer holds, null is for ever.
insert into app.suppressions as s (tenant_id, contact_id, reason, until, added_by, note)
select %(tenant_id)s, i.contact_id, i.reason, i.until, %(added_by)s, i.note
from unnest(
    %(contact_ids)s::uuid[], %(reasons)s::text[], %(untils)s::timestamptz[], %(notes)s::text[]
) as i (contact_id, reason, until, note)
on conflict (tenant_id, contact_id) do update
set
    reason = excluded.reason,
    added_by = excluded.added_by,
    note = excluded.note,
    suppressed_at = now(),
    until = case
        when s.until is null or excluded.until is null then null
        else greatest(s.until, excluded.until)
    end

-- lift_suppression --
-- Ends all that keeps a person out, and says what it was.
with lifted as (
    delete from app.suppressions
    where tenant_id = %(tenant_id)s and contact_id = %(contact_id)s
    returning *
)

select
    l.contact_id,
    c.address,
    l.reason,
    l.error_code,
    l.note,
    l.added_by,
    l.suppressed_at,
    l.until,
    l.marketing_until,
    l.needs_phone,
    app.suppression_scope(l.until, l.marketing_until, l.needs_phone, c.address, now()) as scope
from lifted as l
inner join app.contacts as c
    on c.tenant_id = %(tenant_id)s
    and l.contact_id = c.contact_id

-- get_suppression --
-- What keeps one person out, or did.
select
    s.contact_id,
    c.address,
    s.reason,
    s.error_code,
    s.note,
    s.added_by,
    s.suppressed_at,
    s.until,
    s.marketing_until,
    s.needs_phone,
    app.suppression_scope(s.until, s.marketing_until, s.needs_phone, c.address, now()) as scope
from app.suppressions as s
inner join app.contacts as c
    on s.tenant_id = c.tenant_id
    and s.contact_id = c.contact_id
where s.tenant_id = %(tenant_id)s
    and s.contact_id = %(contact_id)s
    and c.erased_at is null

-- list_suppressions --
-- Whom something keeps out, or kept, the latest first.
select
    s.contact_id,
    c.address,
    s.reason,
    s.error_code,
    s.note,
    s.added_by,
    s.suppressed_at,
    s.until,
    s.marketing_until,
    s.needs_phone,
    app.suppression_scope(s.until, s.marketing_until, s.needs_phone, c.address, now()) as scope
from app.suppressions as s
inner join app.contacts as c
    on s.tenant_id = c.tenant_id
    and s.contact_id = c.contact_id
where s.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and (
        %(after_at)s::timestamptz is null
        or (s.suppressed_at, s.contact_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)
    )
    and (%(error_code)s::integer is null or s.error_code = %(error_code)s)
    and (%(reason)s::text is null or s.reason = %(reason)s)
    and (
        %(scope)s::text is null
        or app.suppression_scope(s.until, s.marketing_until, s.needs_phone, c.address, now())
        = %(scope)s
    )
    and (%(created_from)s::timestamptz is null or s.suppressed_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or s.suppressed_at < %(created_to)s)
order by s.suppressed_at desc, s.contact_id desc
limit %(limit)s
