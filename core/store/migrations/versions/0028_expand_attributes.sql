-- What a tenant declares of its contacts' attributes. Values stay where they are, in
-- app.contacts.attributes, as texts in one canonical form. Expand only.

create table app.contact_attributes (
    tenant_id uuid not null references app.tenants,
    attribute_id uuid not null,
    name text not null check (name ~ '^[A-Za-z_][A-Za-z0-9_]{0,63}$'),
    type text not null check (type in ('text', 'number', 'date', 'boolean', 'enum')),
    options text[] not null default '{}',
    -- Says something about a person; not shown where nobody needs it.
    personal boolean not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, attribute_id),
    unique (tenant_id, name),
    check ((type = 'enum') = (cardinality(options) > 0))
);
select ops.protect_tenant_table('app.contact_attributes');
grant select, insert, update, delete on app.contact_attributes to carteiro_app;
grant select on app.contact_attributes to carteiro_worker;

-- A value as a number; null for one that was written before its attribute was declared.
create function app.attribute_number(value text) returns numeric
    language sql immutable parallel safe
    return case
        when value ~ '^[+-]?[0-9]{1,15}(\.[0-9]{1,6})?$' then value::numeric
    end;
-- A value as a date's text, which sorts as dates do; null for one that is none.
create function app.attribute_date(value text) returns text
    language sql immutable parallel safe
    return case when value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then value collate "C" end;
revoke execute on function app.attribute_number(text), app.attribute_date(text) from public;
grant execute on function app.attribute_number(text), app.attribute_date(text)
    to carteiro_app, carteiro_worker, carteiro_operator;
