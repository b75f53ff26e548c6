-- Rules that several statements ask in the same words. Expand only.

-- Whether a suppression keeps a message of a category from an address at an instant, and as what a
-- plan says so; null: it does not. `until` speaks of every category (null: for ever),
-- `marketing_until` of marketing alone (131049: 24 hours), `needs_phone` of authentication to a
-- business-scoped id (131062). The plan and the claim both ask this.
create function app.suppressed_as(
    until timestamptz,
    marketing_until timestamptz,
    needs_phone boolean,
    category text,
    address text,
    at timestamptz
) returns text
    language sql immutable parallel safe
    return case
        when until is null or until > at then 'suppressed'
        when category = 'marketing' and marketing_until > at then 'frequency_cap'
        when category = 'authentication' and needs_phone and left(address, 1) <> '+'
            then 'needs_phone'
    end;
revoke execute on function
    app.suppressed_as(timestamptz, timestamptz, boolean, text, text, timestamptz) from public;
grant execute on function
    app.suppressed_as(timestamptz, timestamptz, boolean, text, text, timestamptz)
    to carteiro_app, carteiro_worker, carteiro_operator;

-- What an operator sets for a tenant; each change leaves an audit entry.
grant update (four_eyes, marketing_cap_messages, marketing_cap_days, blocked_countries)
    on app.tenants to carteiro_operator;
