-- Plans: made in pieces that any planner may take up, with row errors. Expand only.

alter table app.tenants
    -- The approver of a plan must not be who asked for it.
    add column four_eyes boolean not null default false,
    -- At most so many marketing messages a person in so many days; null: only Meta's own limit.
    add column marketing_cap_messages integer check (marketing_cap_messages > 0),
    add column marketing_cap_days integer check (marketing_cap_days between 1 and 90),
    -- ISO countries this tenant does not write to (its own rule, or Meta's 130497).
    add column blocked_countries text[] not null default '{}',
    add constraint tenants_marketing_cap_check
        check ((marketing_cap_messages is null) = (marketing_cap_days is null));

alter table app.campaigns
    add column plan_requested_by text,
    -- The plan is computed and shown, and no row of it is kept.
    add column plan_dry_run boolean not null default false;

-- A plan in the making. `recipe` is all that the pieces need, frozen before the first of them, so
-- that a planner that takes over makes the same plan. Gone when the plan is there.
create table app.plan_runs (
    tenant_id uuid not null,
    campaign_id uuid not null,
    recipe jsonb not null,
    started_at timestamptz not null default now(),
    primary key (tenant_id, campaign_id),
    foreign key (tenant_id, campaign_id) references app.campaigns
);

-- A piece of the audience: contacts from `first_contact_id` up to `end_contact_id`, exclusive. Its
-- rows, its counts and `done_at` are written in one transaction, which locks the row: a planner
-- that dies leaves the piece as it was, and the next one takes it.
create table app.plan_chunks (
    tenant_id uuid not null,
    campaign_id uuid not null,
    chunk_no integer not null,
    first_contact_id uuid not null,
    end_contact_id uuid,
    people integer not null,
    done_at timestamptz,
    decided integer,
    digest text,
    counts jsonb,
    primary key (tenant_id, campaign_id, chunk_no),
    foreign key (tenant_id, campaign_id) references app.plan_runs on delete cascade
);

-- What only a look at the whole audience can tell of a person, kept until the plan is there.
create table app.plan_marks (
    tenant_id uuid not null,
    campaign_id uuid not null,
    contact_id uuid not null,
    exclusion_reason text not null,
    primary key (tenant_id, campaign_id, contact_id)
);

-- Whose parameters are wrong: which parameter and why, never the value.
-- `errors` is [{"parameter": "1", "code": "too_long"}, ...].
create table app.plan_errors (
    tenant_id uuid not null,
    campaign_id uuid not null,
    contact_id uuid not null,
    variant text,
    errors jsonb not null,
    primary key (tenant_id, campaign_id, contact_id)
);

do $$
declare
    plan_table text;
begin
    foreach plan_table in array array['plan_runs', 'plan_chunks', 'plan_marks', 'plan_errors'] loop
        perform ops.protect_tenant_table(('app.' || plan_table)::regclass);
        execute format(
            'grant insert, update, delete on app.%I to carteiro_worker', plan_table);
    end loop;
end
$$;
grant select on app.plan_chunks, app.plan_errors to carteiro_app;

-- One key for all written forms of a person's address: Brazil's ninth digit, Mexico's old 1. The
-- same rule as core/domain/phone.py, held equal by a test.
create function app.person_key(address text) returns text
    language sql immutable parallel safe
    return case
        when address like '+55%' and length(address) = 13 and substr(address, 6, 1) >= '6'
            then left(address, 5) || '9' || substr(address, 6)
        when address like '+521%' and length(address) = 14
            then '+52' || substr(address, 5)
        else address
    end;

-- Where a person stands in [0, 100) of a campaign's draw: the same on every plan, on every server
-- (SHA-256, not the server's own hash). Each salt is a draw of its own.
create function app.plan_share(salt text, campaign_id uuid, contact_id uuid)
    returns double precision
    language sql immutable parallel safe
    return (
        'x' || substr(
            encode(
                sha256(convert_to(salt || ':' || campaign_id || ':' || contact_id, 'UTF8')), 'hex'
            ),
            1, 8
        )
    )::bit(32)::bigint * 100.0::double precision / 4294967296.0::double precision;

-- Whether a message can be addressed so: E.164 with +, or a business-scoped user id.
create function app.is_address(address text) returns boolean
    language sql immutable parallel safe
    return case
        when address like '+%'
            then length(address) between 8 and 16
            and substr(address, 2, 1) between '1' and '9'
            and translate(substr(address, 2), '0123456789', '') = ''
        else address ~ '^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$'
    end;

-- Whether a text is a number of degrees between -most and most.
create function app.is_degree(value text, most integer) returns boolean
    language sql immutable parallel safe
    return case
        when value ~ '^-?[0-9]{1,3}(\.[0-9]{1,15})?$' then abs(value::numeric) <= most
        else false
    end;

-- A message with a person's values in it: `%n$s` is the place of the n-th. Each value is quoted as
-- JSON, so that none can break out of its place.
create function app.fill_format(message_format text, given text[]) returns text
    language sql immutable parallel safe
    return format(
        message_format,
        variadic array(
            select to_json(coalesce(v.value, ''))::text
            from unnest(given) with ordinality as v (value, place)
            order by v.place
        )
    );

-- Whether a person's values break one rule of core/domain/parameter_rules.py: `slots` are the
-- places of the values it looks at, a value that occurs twice is listed twice.
create function app.breaks_rule(code text, slots integer[], most integer, given text[])
    returns boolean
    language sql immutable parallel safe
    return case code
        when 'missing' then given[slots[1]] is null
        when 'line_break_or_tab'
            then translate(given[slots[1]], E'\t\r\n\f\v', '') <> given[slots[1]]
        when 'too_many_spaces' then strpos(given[slots[1]], '     ') > 0
        when 'too_long'
            then (
                select sum(length(given[s.slot])) > most
                from unnest(slots) as s (slot)
            )
        when 'not_a_link'
            then given[slots[1]] not like 'https://_%' or given[slots[1]] ~ '\s'
        when 'not_a_latitude' then not app.is_degree(given[slots[1]], 90)
        when 'not_a_longitude' then not app.is_degree(given[slots[1]], 180)
    end;

revoke execute on function
    app.person_key(text), app.plan_share(text, uuid, uuid), app.is_address(text),
    app.is_degree(text, integer), app.fill_format(text, text[]),
    app.breaks_rule(text, integer[], integer, text[])
    from public;
grant execute on function
    app.person_key(text), app.plan_share(text, uuid, uuid), app.is_address(text),
    app.is_degree(text, integer), app.fill_format(text, text[]),
    app.breaks_rule(text, integer[], integer, text[])
    to carteiro_app, carteiro_worker, carteiro_operator;
