-- Who is signed in, in one statement: the third read without a tenant. Expand only.

create function app.find_session(
    of_tenant uuid, wanted_session uuid, of_person uuid, at_instant timestamptz
)
    returns table (role text, user_status text, tenant_status text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select u.role, u.status, t.status
    from app.sessions as s
    inner join app.users as u on s.tenant_id = u.tenant_id and s.user_id = u.user_id
    inner join app.tenants as t on s.tenant_id = t.tenant_id
    where s.tenant_id = of_tenant
        and s.session_id = wanted_session
        and s.user_id = of_person
        and s.ended_at is null
        and s.ends_at > at_instant
$$;

-- A function gets an owner only with CREATE on its schema; taken back at once.
grant create on schema app to carteiro_auth;
alter function app.find_session(uuid, uuid, uuid, timestamptz) owner to carteiro_auth;
revoke create on schema app from carteiro_auth;
revoke execute on function app.find_session(uuid, uuid, uuid, timestamptz) from public;
grant execute on function app.find_session(uuid, uuid, uuid, timestamptz) to carteiro_app;
