-- list_contacts --
-- People of the tenant, newest first; of one list when asked.
select
    c.contact_id,
    c.address,
    c.country,
    c.name,
    c.language,
    c.timezone,
    c.attributes,
    c.created_at,
    c.updated_at
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and (%(after)s::uuid is null or c.contact_id < %(after)s::uuid)
    and c.contact_id >= %(first_id)s
    and c.contact_id < %(end_id)s
    and (%(created_from)s::timestamptz is null or c.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or c.created_at < %(created_to)s)
    and (%(updated_from)s::timestamptz is null or c.updated_at >= %(updated_from)s)
    and (%(updated_to)s::timestamptz is null or c.updated_at < %(updated_to)s)
    and (
        %(list_id)s::uuid is null
        or exists (
            select 1
            from app.list_members as m
            where m.tenant_id = c.tenant_id
                and m.list_id = %(list_id)s::uuid
                and m.contact_id = c.contact_id
        )
    )
order by c.contact_id desc
limit %(limit)s

-- get_contact --
-- One person.
select
    c.contact_id,
    c.address,
    c.country,
    c.name,
    c.language,
    c.timezone,
    c.attributes,
    c.created_at,
    c.updated_at
from app.contacts as c
where c.tenant_id = %(tenant_id)s and c.contact_id = %(contact_id)s and c.erased_at is null

-- lock_people --
-- One writer of new people at a time for a tenant, so that one person never becomes two.
select pg_advisory_xact_lock(hashtextextended('carteiro.people.' || %(tenant_id)s::text, 0))

-- resolve_people --
-- Who is already known under the given phone keys or WhatsApp ids; one row for each key position.
select distinct on (w.position)
    w.position,
    i.contact_id
from unnest(%(positions)s::integer[], %(kinds)s::text[], %(values)s::text[])
    as w (position, kind, value)
inner join app.contact_identities as i
    on i.tenant_id = %(tenant_id)s and w.kind = i.kind and w.value = i.value
-- What was written as a phone is surer than what Meta answered for some other form.
order by w.position, w.kind, i.first_seen_at

-- insert_people --
-- New people with their pseudonyms, computed with the tenant's key.
insert into app.contacts (
    tenant_id, contact_id, address, country, name, language, timezone, attributes, pseudonym
)
select
    t.tenant_id, i.contact_id, i.address, i.country, i.name, i.language, i.timezone, i.attributes,
    app.pseudonym(t.pseudonym_key, i.contact_id)
from unnest(
    %(contact_ids)s::uuid[],
    %(addresses)s::text[],
    %(countries)s::text[],
    %(names)s::text[],
    %(languages)s::text[],
    %(timezones)s::text[],
    %(attributes)s::jsonb[]
) as i (contact_id, address, country, name, language, timezone, attributes)
inner join app.tenants as t on t.tenant_id = %(tenant_id)s

-- insert_phone_identities --
-- The phone keys of new people; a key that somebody has already is an error, never ignored.
insert into app.contact_identities (tenant_id, kind, value, contact_id)
select %(tenant_id)s, 'phone', i.match_key, i.contact_id
from unnest(%(match_keys)s::text[], %(contact_ids)s::uuid[]) as i (match_key, contact_id)

-- update_people --
-- Fills in what a row says about known people; rows that say nothing new are left alone.
update app.contacts as c
set
    name = coalesce(i.name, c.name),
    language = coalesce(i.language, c.language),
    timezone = coalesce(i.timezone, c.timezone),
    attributes = c.attributes || i.attributes,
    updated_at = now()
from unnest(
    %(contact_ids)s::uuid[],
    %(names)s::text[],
    %(languages)s::text[],
    %(timezones)s::text[],
    %(attributes)s::jsonb[]
) as i (contact_id, name, language, timezone, attributes)
where c.tenant_id = %(tenant_id)s
    and c.contact_id = i.contact_id
    and (
        coalesce(i.name, c.name) is distinct from c.name
        or coalesce(i.language, c.language) is distinct from c.language
        or coalesce(i.timezone, c.timezone) is distinct from c.timezone
        or not c.attributes @> i.attributes
    )
returning c.contact_id

-- insert_list --
-- A list by name; an existing one is returned as it is.
insert into app.lists as l (tenant_id, list_id, name)
values (%(tenant_id)s, %(list_id)s, %(name)s)
on conflict (tenant_id, name) do update set name = l.name
returning l.list_id, l.name, l.created_at, (xmax = 0) as created

-- get_list --
-- One list and how many people are on it.
select
    l.list_id,
    l.name,
    l.created_at,
    (
        select count(*)
        from app.list_members as m
        where m.tenant_id = l.tenant_id and m.list_id = l.list_id
    ) as members
from app.lists as l
where l.tenant_id = %(tenant_id)s and l.list_id = %(list_id)s

-- list_lists --
-- The tenant's lists, newest first, with their sizes.
select
    l.list_id,
    l.name,
    l.created_at,
    (
        select count(*)
        from app.list_members as m
        where m.tenant_id = l.tenant_id and m.list_id = l.list_id
    ) as members
from app.lists as l
where l.tenant_id = %(tenant_id)s
    -- Those of campaigns to segments are nobody's to choose.
    and l.segment_id is null
    and (%(after)s::uuid is null or l.list_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or l.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or l.created_at < %(created_to)s)
order by l.list_id desc
limit %(limit)s

-- add_members --
-- Puts people on a list; those already on it stay as they were.
insert into app.list_members (tenant_id, list_id, contact_id)
select %(tenant_id)s, %(list_id)s, i.contact_id
from unnest(%(contact_ids)s::uuid[]) as i (contact_id)
on conflict (tenant_id, list_id, contact_id) do nothing

-- get_contact_identity --
-- What a row about a person needs to know of them, who is not merged before the transaction ends.
select c.contact_id, c.address, c.country, c.pseudonym
from app.contacts as c
where c.tenant_id = %(tenant_id)s and c.contact_id = %(contact_id)s and c.erased_at is null
for key share

-- get_contact_address --
-- Where one person is written to.
select c.address
from app.contacts as c
where c.tenant_id = %(tenant_id)s and c.contact_id = %(contact_id)s and c.erased_at is null

-- remove_members --
-- Takes people off a list.
delete from app.list_members
where tenant_id = %(tenant_id)s
    and list_id = %(list_id)s
    and contact_id = any(%(contact_ids)s::uuid[])

-- list_known_lists --
-- Which of these lists there are for people to be put on.
select l.list_id as id
from app.lists as l
where l.tenant_id = %(tenant_id)s
    and l.list_id = any(%(list_ids)s::uuid[])
    and l.segment_id is null

-- list_known_people --
-- Which of these people there are; they are not merged before the transaction ends.
select c.contact_id as id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.contact_id = any(%(contact_ids)s::uuid[])
    and c.erased_at is null
order by c.contact_id
for key share
