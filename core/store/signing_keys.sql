-- list_signing_keys --
-- Every key that has not retired, with its private half sealed.
select k.kid, k.state, k.public_jwk, k.private_sealed, k.retires_at
from app.signing_keys() as k
order by k.kid

-- describe_signing_keys --
-- The keys as an operator sees them, the newest first.
select k.kid, k.state, k.created_at, k.current_since, k.retires_at
from ops.signing_keys as k
order by k.created_at desc, k.state desc

-- lock_signing_keys --
-- One rotation at a time.
lock table ops.signing_keys in share row exclusive mode

-- insert_signing_key --
-- A key with its private half sealed.
insert into ops.signing_keys (
    kid, state, public_jwk, private_sealed, created_at, current_since
)
values (
    %(kid)s, %(state)s, %(public_jwk)s, %(private_sealed)s, %(now)s, %(current_since)s
)

-- withdraw_current_key --
-- The current key signs no more; what it signed is believed until `retires_at`.
update ops.signing_keys
set state = 'retiring', private_sealed = null, retires_at = %(retires_at)s
where state = 'current'

-- promote_next_key --
-- The key that was published signs from now on.
update ops.signing_keys
set state = 'current', current_since = %(now)s
where state = 'next'

-- retire_keys --
-- What a retiring key signed is not believed any longer.
update ops.signing_keys
set state = 'retired'
where state = 'retiring' and retires_at <= %(now)s
