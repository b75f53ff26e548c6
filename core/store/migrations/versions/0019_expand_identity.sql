-- People, sessions, keys: who may do what, and for how long. Expand only.

-- ---------------------------------------------------------------------------------------------
-- People
-- ---------------------------------------------------------------------------------------------

alter table app.users
    drop constraint users_status_check,
    add constraint users_status_check
        check (status in ('invited', 'active', 'suspended', 'removed')),
    add column invited_by text,
    -- SHA-256 of a random token that was shown once; gone when it was used.
    add column invitation_hash bytea check (length(invitation_hash) = 32),
    add column invitation_expires_at timestamptz,
    add column joined_at timestamptz,
    add column removed_at timestamptz,
    add column password_changed_at timestamptz,
    add constraint users_invitation_check
        check ((invitation_hash is null) = (invitation_expires_at is null));
create index users_by_id on app.users (tenant_id, user_id desc);

-- A person signed in on one device. Its refresh tokens are one family: the newest one works, and
-- an older one that comes back ends the session.
create table app.sessions (
    tenant_id uuid not null,
    session_id uuid not null,
    user_id uuid not null,
    -- What the program called itself, to recognise a session by.
    client text,
    -- Keyed digest of where it was begun.
    address_digest bytea not null,
    generation integer not null default 1,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    idle_until timestamptz not null,
    ends_at timestamptz not null,
    ended_at timestamptz,
    ended_because text check (
        ended_because in (
            'logout', 'logout_everywhere', 'closed', 'refresh_reused', 'password_changed',
            'suspended', 'removed'
        )
    ),
    primary key (tenant_id, session_id),
    foreign key (tenant_id, user_id) references app.users,
    check ((ended_at is null) = (ended_because is null))
);
create index sessions_of_user on app.sessions (tenant_id, user_id, session_id desc);
select ops.protect_tenant_table('app.sessions');
grant select, insert, update, delete on app.sessions to carteiro_app;
grant select, update on app.sessions to carteiro_operator;

create table app.refresh_tokens (
    tenant_id uuid not null,
    session_id uuid not null,
    generation integer not null,
    token_hash bytea not null check (length(token_hash) = 32),
    issued_at timestamptz not null,
    used_at timestamptz,
    primary key (tenant_id, session_id, generation),
    foreign key (tenant_id, session_id) references app.sessions on delete cascade
);
select ops.protect_tenant_table('app.refresh_tokens');
-- Nobody but the API has anything to look for in here.
revoke select on app.refresh_tokens from carteiro_worker, carteiro_data, carteiro_operator;
grant select, insert, update, delete on app.refresh_tokens to carteiro_app;

-- ---------------------------------------------------------------------------------------------
-- API keys
-- ---------------------------------------------------------------------------------------------

alter table app.api_keys
    -- The person who made it; the key never does more than that person may do now.
    add column maker_id uuid,
    -- Else the operator's key it descends from; both null: an operator made it.
    add column root_key_id uuid,
    add column rotated_from uuid,
    add constraint api_keys_maker_fkey foreign key (tenant_id, maker_id) references app.users,
    add constraint api_keys_root_check check (maker_id is null or root_key_id is null);

-- The person behind an author of a change: `api_key:<id>` counts as who made the key.
create function app.person_behind(of_tenant uuid, subject text) returns text
    language sql stable
    return coalesce(
        (
            select coalesce(
                'user:' || k.maker_id, 'api_key:' || coalesce(k.root_key_id, k.api_key_id)
            )
            from app.api_keys as k
            where k.tenant_id = of_tenant and 'api_key:' || k.api_key_id = subject
        ),
        subject
    );
revoke execute on function app.person_behind(uuid, text) from public;
grant execute on function app.person_behind(uuid, text) to carteiro_app, carteiro_operator;

-- ---------------------------------------------------------------------------------------------
-- Authentication: the reads without a tenant, once more with what has been added
-- ---------------------------------------------------------------------------------------------

create function app.find_credential(wanted_prefix text)
    returns table (
        tenant_id uuid, api_key_id uuid, key_hash bytea, scopes text[], expires_at timestamptz,
        revoked_at timestamptz, tenant_status text, maker_id uuid, root_key_id uuid,
        maker_role text, maker_status text
    )
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select
        k.tenant_id, k.api_key_id, k.key_hash, k.scopes, k.expires_at, k.revoked_at, t.status,
        k.maker_id, k.root_key_id, u.role, u.status
    from app.api_keys as k
    inner join app.tenants as t on k.tenant_id = t.tenant_id
    left join app.users as u on k.tenant_id = u.tenant_id and k.maker_id = u.user_id
    where k.prefix = wanted_prefix
$$;

create function app.find_person(wanted_slug text, wanted_email text, from_address bytea)
    returns table (
        tenant_id uuid, user_id uuid, password_hash text, role text, user_status text,
        tenant_status text, knows_address boolean
    )
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select
        u.tenant_id, u.user_id, u.password_hash, u.role, u.status, t.status,
        exists (
            select 1
            from app.sessions as s
            where s.tenant_id = u.tenant_id
                and s.user_id = u.user_id
                and s.address_digest = from_address
                and s.created_at > now() - interval '90 days'
        )
    from app.users as u
    inner join app.tenants as t on u.tenant_id = t.tenant_id
    where t.slug = wanted_slug and u.email = wanted_email
$$;

-- ---------------------------------------------------------------------------------------------
-- Throttling of logins: here and not in a cache, for a cache forgets when it restarts
-- ---------------------------------------------------------------------------------------------

create table ops.login_attempts (
    -- Keyed digest of an account or an address: neither can be read from it.
    digest bytea primary key check (length(digest) = 32),
    failures timestamptz[] not null,
    last_at timestamptz not null
);
create index login_attempts_old on ops.login_attempts (last_at);

-- Count an attempt before it is made, so that a thousand at once can't all slip through; 0 seconds
-- to wait means that it was counted at `taken_at`, else nothing was. An account's `free` failures
-- are followed by waits of 1, 2, 4 ... seconds, its `most_of_account` by the rest of the window.
create function app.take_login_attempt(
    account bytea, free integer, most_of_account integer, address bytea, most_of_address integer,
    seconds integer, out wait_seconds integer, out taken_at timestamptz
)
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    of_account timestamptz[];
    of_address timestamptz[];
    span interval := make_interval(secs => seconds);
    until timestamptz;
begin
    taken_at := clock_timestamp();
    delete from ops.login_attempts as a
    where a.digest = any(array(
        select old.digest
        from ops.login_attempts as old
        where old.last_at < taken_at - span
            and old.digest not in (account, address)
        limit 20
        for update skip locked
    ));
    -- Every account comes before every address: two attempts can't wait for each other.
    insert into ops.login_attempts as a (digest, failures, last_at)
    values (account, '{}', taken_at)
    on conflict (digest) do update set last_at = a.last_at
    returning a.failures into of_account;
    insert into ops.login_attempts as a (digest, failures, last_at)
    values (address, '{}', taken_at)
    on conflict (digest) do update set last_at = a.last_at
    returning a.failures into of_address;
    -- Whoever held the rows may have been slow.
    taken_at := clock_timestamp();
    of_account := array(select f from unnest(of_account) as f where f > taken_at - span order by f);
    of_address := array(select f from unnest(of_address) as f where f > taken_at - span order by f);
    until := taken_at;
    if cardinality(of_account) >= most_of_account then
        until := of_account[cardinality(of_account) - most_of_account + 1] + span;
    elsif cardinality(of_account) >= free then
        until := of_account[cardinality(of_account)]
            + make_interval(secs => 2 ^ (cardinality(of_account) - free));
    end if;
    if cardinality(of_address) >= most_of_address then
        until := greatest(
            until, of_address[cardinality(of_address) - most_of_address + 1] + span
        );
    end if;
    wait_seconds := greatest(0, ceil(extract(epoch from until - taken_at)))::integer;
    if wait_seconds = 0 then
        update ops.login_attempts
        set failures = of_account || taken_at, last_at = taken_at
        where digest = account;
        update ops.login_attempts
        set failures = of_address || taken_at, last_at = taken_at
        where digest = address;
    end if;
end
$$;

-- The attempt was no failure. When it was the right person's (`over`), the account's earlier ones
-- are forgotten too.
create function app.forgive_login_attempt(
    account bytea, address bytea, taken_at timestamptz, over boolean
)
    returns void
    language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    update ops.login_attempts as a
    set failures = case when over then '{}' else array_remove(a.failures, taken_at) end
    where a.digest = account;
    update ops.login_attempts as a
    set failures = array_remove(a.failures, taken_at)
    where a.digest = address;
$$;

-- ---------------------------------------------------------------------------------------------
-- The keys that sign access tokens
-- ---------------------------------------------------------------------------------------------

create table ops.signing_keys (
    kid text primary key,
    state text not null check (state in ('next', 'current', 'retiring', 'retired')),
    public_jwk jsonb not null,
    -- Encrypted with the master key; destroyed when the key signs no more.
    private_sealed bytea,
    created_at timestamptz not null,
    current_since timestamptz,
    retires_at timestamptz,
    check ((state in ('next', 'current')) = (private_sealed is not null)),
    check ((state in ('next', 'current')) = (retires_at is null))
);
create unique index signing_keys_in_turn on ops.signing_keys (state)
    where state in ('next', 'current');
grant select, insert, update on ops.signing_keys to carteiro_operator;

create function app.signing_keys()
    returns table (
        kid text, state text, public_jwk jsonb, private_sealed bytea, retires_at timestamptz
    )
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select k.kid, k.state, k.public_jwk, k.private_sealed, k.retires_at
    from ops.signing_keys as k
    where k.state <> 'retired'
$$;

-- ---------------------------------------------------------------------------------------------
-- The tenant's own rules, and who may read and write what
-- ---------------------------------------------------------------------------------------------

alter table app.tenants
    -- Four eyes are switched off by two persons: this one has asked for it.
    add column four_eyes_off_asked_by text,
    add column four_eyes_off_asked_at timestamptz,
    add constraint tenants_four_eyes_off_check
        check ((four_eyes_off_asked_by is null) = (four_eyes_off_asked_at is null));
grant update (
    timezone, four_eyes, marketing_cap_messages, marketing_cap_days, blocked_countries,
    four_eyes_off_asked_by, four_eyes_off_asked_at
) on app.tenants to carteiro_app;
grant update (four_eyes_off_asked_by, four_eyes_off_asked_at) on app.tenants to carteiro_operator;

create policy authentication on app.sessions for select to carteiro_auth using (true);
grant select on app.sessions to carteiro_auth;
grant usage on schema ops to carteiro_auth;
grant select, insert, update, delete on ops.login_attempts to carteiro_auth;
grant select on ops.signing_keys to carteiro_auth;
-- A function gets an owner only with CREATE on its schema; taken back at once.
grant create on schema app to carteiro_auth;
alter function app.find_credential(text) owner to carteiro_auth;
alter function app.find_person(text, text, bytea) owner to carteiro_auth;
alter function app.take_login_attempt(bytea, integer, integer, bytea, integer, integer)
    owner to carteiro_auth;
alter function app.forgive_login_attempt(bytea, bytea, timestamptz, boolean) owner to carteiro_auth;
alter function app.signing_keys() owner to carteiro_auth;
revoke create on schema app from carteiro_auth;
revoke execute on function
    app.find_credential(text), app.find_person(text, text, bytea),
    app.take_login_attempt(bytea, integer, integer, bytea, integer, integer),
    app.forgive_login_attempt(bytea, bytea, timestamptz, boolean), app.signing_keys()
    from public;
grant execute on function
    app.find_credential(text), app.find_person(text, text, bytea),
    app.take_login_attempt(bytea, integer, integer, bytea, integer, integer),
    app.forgive_login_attempt(bytea, bytea, timestamptz, boolean), app.signing_keys()
    to carteiro_app;
grant execute on function app.signing_keys() to carteiro_operator;
