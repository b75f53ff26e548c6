-- insert_user --
-- A new person of a tenant who can sign in at once; nothing when the address is taken.
insert into app.users (
    tenant_id, user_id, email, name, role, password_hash, joined_at, password_changed_at
)
values (
    %(tenant_id)s, %(user_id)s, %(email)s, %(name)s, %(role)s, %(password_hash)s, now(), now()
)
on conflict (tenant_id, email) do nothing
returning user_id

-- insert_invited_user --
-- A person who has been invited and has no password yet; nothing when the address is taken.
insert into app.users (
    tenant_id, user_id, email, name, role, password_hash, status, invited_by, invitation_hash,
    invitation_expires_at
)
values (
    %(tenant_id)s, %(user_id)s, %(email)s, %(name)s, %(role)s, '!', 'invited', %(invited_by)s,
    %(invitation_hash)s, %(invitation_expires_at)s
)
on conflict (tenant_id, email) do nothing
returning
    user_id, email, name, role, status, invited_by, invitation_expires_at, created_at, joined_at,
    removed_at

-- list_users --
-- The tenant's people, newest first, as far as the filters let them through.
select
    u.user_id,
    case when u.status <> 'removed' then u.email end as email,
    u.name,
    u.role,
    u.status,
    u.invited_by,
    u.invitation_expires_at,
    u.created_at,
    u.joined_at,
    u.removed_at
from app.users as u
where u.tenant_id = %(tenant_id)s
    and (%(after)s::uuid is null or u.user_id < %(after)s::uuid)
    and (%(state)s::text is null or u.status = %(state)s::text)
    and (%(role)s::text is null or u.role = %(role)s::text)
    and (%(created_from)s::timestamptz is null or u.created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or u.created_at < %(created_to)s)
order by u.user_id desc
limit %(limit)s

-- get_user --
-- One person, also one who has left.
select
    u.user_id,
    case when u.status <> 'removed' then u.email end as email,
    u.name,
    u.role,
    u.status,
    u.invited_by,
    u.invitation_expires_at,
    u.created_at,
    u.joined_at,
    u.removed_at
from app.users as u
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s

-- lock_user --
-- One person who has not left, held against changes until the transaction ends.
select
    u.user_id,
    u.email,
    u.name,
    u.role,
    u.status,
    u.invited_by,
    u.invitation_expires_at,
    u.created_at,
    u.joined_at,
    u.removed_at
from app.users as u
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s and u.status <> 'removed'
for update

-- lock_owners --
-- The owners who can sign in; two changes at once can't each believe that the other one stays.
select u.user_id
from app.users as u
where u.tenant_id = %(tenant_id)s and u.role = 'owner' and u.status = 'active'
order by u.user_id
for update

-- change_user --
-- Name, role and status of a person.
update app.users as u
set name = %(name)s, role = %(role)s, status = %(status)s
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s
returning
    u.user_id, u.email, u.name, u.role, u.status, u.invited_by, u.invitation_expires_at,
    u.created_at, u.joined_at, u.removed_at

-- remove_user --
-- Ends a membership: the id stays as the author of what was done, the address does not.
update app.users as u
set
    status = 'removed',
    removed_at = %(now)s,
    email = u.user_id || '@removed.invalid',
    password_hash = '!',
    invitation_hash = null,
    invitation_expires_at = null
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s

-- renew_invitation --
-- A new token in place of the old one, for who has not used it.
update app.users as u
set
    invitation_hash = %(invitation_hash)s,
    invitation_expires_at = %(invitation_expires_at)s,
    invited_by = %(invited_by)s
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s and u.status = 'invited'
returning
    u.user_id, u.email, u.name, u.role, u.status, u.invited_by, u.invitation_expires_at,
    u.created_at, u.joined_at, u.removed_at

-- get_invitation --
-- Who a token invites, and to which tenant.
select
    u.email, u.name, u.invitation_hash, u.invitation_expires_at, t.slug,
    t.status as tenant_status
from app.users as u
inner join app.tenants as t on u.tenant_id = t.tenant_id
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s and u.status = 'invited'

-- accept_invitation --
-- The invited person's password, once: of two at the same time one changes no row.
update app.users as u
set
    status = 'active',
    name = %(name)s,
    password_hash = %(password_hash)s,
    joined_at = %(now)s,
    password_changed_at = %(now)s,
    invitation_hash = null,
    invitation_expires_at = null
where u.tenant_id = %(tenant_id)s
    and u.user_id = %(user_id)s
    and u.status = 'invited'
    and u.invitation_hash = %(invitation_hash)s
    and u.invitation_expires_at > %(now)s
returning
    u.user_id, u.email, u.name, u.role, u.status, u.invited_by, u.invitation_expires_at,
    u.created_at, u.joined_at, u.removed_at

-- get_password --
-- What is needed to check and to judge a person's password.
select u.password_hash, u.email, u.name, t.slug
from app.users as u
inner join app.tenants as t on u.tenant_id = t.tenant_id
where u.tenant_id = %(tenant_id)s and u.user_id = %(user_id)s and u.status = 'active'

-- replace_password --
-- A new hash in place of the one that was checked, unless somebody else was faster.
update app.users as u
set
    password_hash = %(password_hash)s,
    password_changed_at = case when %(changed)s then now() else u.password_changed_at end
where u.tenant_id = %(tenant_id)s
    and u.user_id = %(user_id)s
    and u.status = 'active'
    and u.password_hash = %(checked_hash)s
returning u.user_id
