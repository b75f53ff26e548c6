-- Which request is behind a message: tickets, logs and webhooks name it.

-- The request of this transaction, set with the tenant; null where nobody's request is behind it.
create function app.current_request_id() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('app.request_id', true), '')::uuid;
revoke execute on function app.current_request_id() from public;
grant execute on function app.current_request_id()
    to carteiro_app, carteiro_worker, carteiro_data, carteiro_operator;

-- Of a message without a campaign; the others' is their campaign's.
alter table app.messages add column request_id uuid;
-- The one that made the campaign, then the one that launched it.
alter table app.campaigns add column request_id uuid;
alter table app.campaigns alter column request_id set default app.current_request_id();

create or replace function app.emit_tenant_event(
    of_tenant_id uuid, of_type text, event_data jsonb, at timestamptz default clock_timestamp()
) returns integer
    language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    new_event_id uuid;
    listening integer;
begin
    if not exists (
        select 1
        from app.webhook_endpoints as e
        where e.tenant_id = of_tenant_id
            and e.enabled
            and (e.event_types = '{*}' or of_type = any(e.event_types))
    ) then
        return 0;
    end if;
    new_event_id := app.new_uuid7();
    insert into app.tenant_events (tenant_id, event_id, event_type, occurred_at, data)
    values (
        of_tenant_id, new_event_id, of_type, at,
        jsonb_strip_nulls(
            event_data || jsonb_build_object('request_id', app.current_request_id())
        )
    );
    with listeners as (
        select e.endpoint_id
        from app.webhook_endpoints as e
        where e.tenant_id = of_tenant_id
            and e.enabled
            and (e.event_types = '{*}' or of_type = any(e.event_types))
    ),

    deliveries as (
        insert into app.webhook_deliveries (tenant_id, endpoint_id, event_id, event_type)
        select of_tenant_id, l.endpoint_id, new_event_id, of_type
        from listeners as l
    )

    insert into app.webhook_queue (tenant_id, endpoint_id, event_id, due_at, give_up_at)
    select
        of_tenant_id, l.endpoint_id, new_event_id, clock_timestamp(),
        clock_timestamp() + interval '3 days'
    from listeners as l;
    get diagnostics listening = row_count;
    return listening;
end
$$;
