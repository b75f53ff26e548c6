-- Suppressions by people, beside those that Meta's answers make. Expand only.

alter table app.suppressions
    -- Who asked for it, as the audit chain names them; null: an answer of Meta's.
    add column added_by text,
    add column note text;
create index suppressions_by_time on app.suppressions (tenant_id, suppressed_at, contact_id);

-- What a suppression keeps from an address at an instant; `nothing` when its time is over.
create function app.suppression_scope(
    until timestamptz,
    marketing_until timestamptz,
    needs_phone boolean,
    address text,
    at timestamptz
) returns text
    language sql immutable parallel safe
    return case
        when app.suppressed_as(until, marketing_until, needs_phone, 'service', address, at)
            is not null then 'everything'
        when app.suppressed_as(until, marketing_until, needs_phone, 'marketing', address, at)
            is not null then 'marketing'
        when app.suppressed_as(until, marketing_until, needs_phone, 'authentication', address, at)
            is not null then 'authentication'
        else 'nothing'
    end;
revoke execute on function
    app.suppression_scope(timestamptz, timestamptz, boolean, text, timestamptz) from public;
grant execute on function
    app.suppression_scope(timestamptz, timestamptz, boolean, text, timestamptz)
    to carteiro_app, carteiro_worker, carteiro_operator;
