-- Segments: people described by a filter. A campaign to a segment has a list of its own, which is
-- filled when it is planned. Expand only.

create table app.segments (
    tenant_id uuid not null references app.tenants,
    segment_id uuid not null,
    name text not null,
    -- In the language of docs/people.md.
    filter text not null check (length(filter) between 1 and 4000),
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, segment_id),
    unique (tenant_id, name)
);
select ops.protect_tenant_table('app.segments');
grant select, insert, update, delete on app.segments to carteiro_app;
grant select on app.segments to carteiro_worker;

-- null: a list of the tenant's own.
alter table app.lists
    add column segment_id uuid,
    add constraint lists_segment_id_fkey
        foreign key (tenant_id, segment_id) references app.segments not valid;
