-- everybody --
-- Whom a segment may mean.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s and c.erased_at is null

-- present --
-- Who has a value of an attribute.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s and c.erased_at is null and c.attributes ? %(attribute)s

-- one_of --
-- Whose attribute is one of some texts.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and c.attributes ->> %(attribute)s = any(%(values)s::text[])

-- contains --
-- Whose attribute holds a text somewhere.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and strpos(c.attributes ->> %(attribute)s, %(value)s) > 0

-- compared_number --
-- Whose number stands so to a value.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and case %(order)s
        when '=' then app.attribute_number(c.attributes ->> %(attribute)s) = %(value)s::numeric
        when '<' then app.attribute_number(c.attributes ->> %(attribute)s) < %(value)s::numeric
        when '<=' then app.attribute_number(c.attributes ->> %(attribute)s) <= %(value)s::numeric
        when '>' then app.attribute_number(c.attributes ->> %(attribute)s) > %(value)s::numeric
        when '>=' then app.attribute_number(c.attributes ->> %(attribute)s) >= %(value)s::numeric
    end

-- compared_date --
-- Whose date stands so to a value.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and case %(order)s
        when '<' then app.attribute_date(c.attributes ->> %(attribute)s) < %(value)s collate "C"
        when '<=' then app.attribute_date(c.attributes ->> %(attribute)s) <= %(value)s collate "C"
        when '>' then app.attribute_date(c.attributes ->> %(attribute)s) > %(value)s collate "C"
        when '>=' then app.attribute_date(c.attributes ->> %(attribute)s) >= %(value)s collate "C"
    end

-- language_one_of --
-- Who has one of some languages.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and c.language = any(%(values)s::text[])

-- country_one_of --
-- Whose address is of one of some countries.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and c.country = any(%(values)s::text[])

-- market_one_of --
-- Who belongs to one of some of Meta's markets on the day.
select c.contact_id
from app.contacts as c
inner join lateral (
    select map.market
    from billing.market_map as map
    where c.address like '+' || map.calling_prefix || '%%'
        and map.valid @> %(at)s::timestamptz::date
    order by length(map.calling_prefix) desc
    limit 1
) as meant on true
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and meant.market = any(%(values)s::text[])

-- on_list --
-- Who is on a list.
select m.contact_id
from app.list_members as m
where m.tenant_id = %(tenant_id)s and m.list_id = %(list_id)s

-- consent_is --
-- Of whom the ledger says yes or no for a purpose.
select s.contact_id
from app.consent_states as s
where s.tenant_id = %(tenant_id)s
    and s.purpose = %(purpose)s
    and s.granted = %(granted)s

-- consent_known --
-- Of whom the ledger says anything for a purpose.
select s.contact_id
from app.consent_states as s
where s.tenant_id = %(tenant_id)s and s.purpose = %(purpose)s

-- created_within --
-- Who was made in the last days.
select c.contact_id
from app.contacts as c
where c.tenant_id = %(tenant_id)s
    and c.erased_at is null
    and c.created_at >= %(at)s::timestamptz - %(days)s * interval '1 day'

-- last_message_within --
-- To whom Meta took a message in the last days.
select m.contact_id
from app.messages as m
where m.tenant_id = %(tenant_id)s
    -- A message lives 31 days at most between its plan and its sending.
    and m.message_id
    >= app.uuid7_floor(%(at)s::timestamptz - (%(days)s + 31) * interval '1 day')
    and m.accepted_at >= %(at)s::timestamptz - %(days)s * interval '1 day'

-- last_inbound_within --
-- Who wrote to any number in the last days.
select w.contact_id
from app.service_windows as w
where w.tenant_id = %(tenant_id)s
    and w.opened_at >= %(at)s::timestamptz - %(days)s * interval '1 day'

-- suppressed --
-- To whom nothing is sent at all.
select s.contact_id
from app.suppressions as s
where s.tenant_id = %(tenant_id)s
    and (s.until is null or s.until > %(at)s::timestamptz)

-- count_people --
-- How many people a segment means; `people` is what core/store/segments.py has put together.
select count(*) as people
from people

-- sample_people --
-- A few of the people of a segment.
select c.contact_id, c.country, c.language, c.attributes, c.created_at
from app.contacts as c
inner join people as p
    on c.contact_id = p.contact_id
where c.tenant_id = %(tenant_id)s
order by c.contact_id desc
limit %(limit)s

-- freeze_people --
-- Puts the people of a segment on a list.
insert into app.list_members (tenant_id, list_id, contact_id)
select %(tenant_id)s, %(list_id)s, p.contact_id
from people as p

-- clear_list --
-- Takes everybody off a list that is about to be frozen anew.
delete from app.list_members
where tenant_id = %(tenant_id)s and list_id = %(list_id)s

-- get_list_filter --
-- The filter of the segment whose people a list is frozen from; no row for any other list.
select s.filter
from app.lists as l
inner join app.segments as s
    on l.tenant_id = s.tenant_id
    and l.segment_id = s.segment_id
where l.tenant_id = %(tenant_id)s and l.list_id = %(list_id)s

-- insert_frozen_list --
-- The list of one campaign to a segment; it is empty until the campaign is planned.
insert into app.lists (tenant_id, list_id, name, segment_id)
select %(tenant_id)s, %(list_id)s, %(name)s, s.segment_id
from app.segments as s
where s.tenant_id = %(tenant_id)s and s.segment_id = %(segment_id)s

-- insert_segment --
-- A segment; no row when its name is taken.
insert into app.segments (tenant_id, segment_id, name, filter, created_by)
values (%(tenant_id)s, %(segment_id)s, %(name)s, %(filter)s, %(created_by)s)
on conflict (tenant_id, name) do nothing

-- count_segments --
-- How many segments the tenant has.
select count(*) as segments
from app.segments as s
where s.tenant_id = %(tenant_id)s

-- get_segment --
-- One segment.
select s.segment_id, s.name, s.filter, s.created_by, s.created_at, s.updated_at
from app.segments as s
where s.tenant_id = %(tenant_id)s and s.segment_id = %(segment_id)s

-- lock_segment --
-- Holds a segment for a change.
select s.segment_id
from app.segments as s
where s.tenant_id = %(tenant_id)s and s.segment_id = %(segment_id)s
for update

-- list_segments --
-- The tenant's segments, newest first.
select s.segment_id, s.name, s.filter, s.created_by, s.created_at, s.updated_at
from app.segments as s
where s.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or s.segment_id < %(after)s::uuid)
    and (%(created_from)s::timestamptz is null or s.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or s.created_at < %(created_to)s)
order by s.segment_id desc
limit %(limit)s

-- change_segment --
-- Another name or filter; what is null stays. Plans that are made already stay as they are.
update app.segments
set
    name = coalesce(%(name)s, name),
    filter = coalesce(%(filter)s, filter),
    updated_at = now()
where tenant_id = %(tenant_id)s and segment_id = %(segment_id)s

-- delete_segment --
-- Takes a segment away.
delete from app.segments
where tenant_id = %(tenant_id)s and segment_id = %(segment_id)s
