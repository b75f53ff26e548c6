-- How often each tenant still uses operations of the API that end. Expand only.

create table app.deprecated_uses (
    tenant_id uuid not null references app.tenants,
    -- The operation id of the OpenAPI document.
    operation text not null check (length(operation) between 1 and 100),
    -- Of UTC: the table is for operators as well, who know no tenant's zone.
    day date not null,
    uses bigint not null check (uses > 0),
    primary key (tenant_id, operation, day)
);
select ops.protect_tenant_table('app.deprecated_uses');
grant select, insert, update on app.deprecated_uses to carteiro_app;
