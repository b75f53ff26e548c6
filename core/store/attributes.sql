-- list_declared --
-- The attributes that a tenant has declared.
select a.name, a.type, a.options, a.personal
from app.contact_attributes as a
where a.tenant_id = %(tenant_id)s
order by a.name

-- insert_attribute --
-- Declares an attribute; no row when its name is taken.
insert into app.contact_attributes (
    tenant_id, attribute_id, name, type, options, personal, created_by
)
values (
    %(tenant_id)s, %(attribute_id)s, %(name)s, %(type)s, %(options)s::text[], %(personal)s,
    %(created_by)s
)
on conflict (tenant_id, name) do nothing

-- count_attributes --
-- How many attributes the tenant has declared.
select count(*) as declared
from app.contact_attributes as a
where a.tenant_id = %(tenant_id)s

-- get_attribute --
-- One declared attribute.
select
    a.attribute_id,
    a.name,
    a.type,
    a.options,
    a.personal,
    a.created_by,
    a.created_at,
    a.updated_at
from app.contact_attributes as a
where a.tenant_id = %(tenant_id)s and a.attribute_id = %(attribute_id)s

-- lock_attribute --
-- Holds a declaration for a change.
select a.attribute_id
from app.contact_attributes as a
where a.tenant_id = %(tenant_id)s and a.attribute_id = %(attribute_id)s
for update

-- list_attributes --
-- The tenant's declared attributes, newest first.
select
    a.attribute_id,
    a.name,
    a.type,
    a.options,
    a.personal,
    a.created_by,
    a.created_at,
    a.updated_at
from app.contact_attributes as a
where a.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or a.attribute_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or a.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or a.created_at < %(created_to)s)
order by a.attribute_id desc
limit %(limit)s

-- change_attribute --
-- Other options, or another word on whether it is personal; what is null stays.
update app.contact_attributes
set
    options = coalesce(%(options)s::text[], options),
    personal = coalesce(%(personal)s, personal),
    updated_at = now()
where tenant_id = %(tenant_id)s and attribute_id = %(attribute_id)s

-- delete_attribute --
-- Takes a declaration back; the values of contacts stay, as texts.
delete from app.contact_attributes
where tenant_id = %(tenant_id)s and attribute_id = %(attribute_id)s
