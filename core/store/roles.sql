-- look_at_role --
-- Whether row-level security binds this connection's role, and whether it is the API's.
-- cross-tenant: reads the catalogue of roles only
select
    r.rolname as role_name,
    pg_has_role(r.oid, 'carteiro_app', 'usage') as is_app,
    r.rolsuper
    or r.rolbypassrls
    or exists (
        select 1
        from pg_catalog.pg_roles as other
        where other.rolname = any(%(seeing_all)s)
            and pg_has_role(r.oid, other.oid, 'usage')
    ) as sees_all
from pg_catalog.pg_roles as r
where r.rolname = current_user
