-- What Meta says of accounts, numbers and templates: expand.

-- Meta's webhooks come late and in any order: the time of the last word that was followed is kept
-- for each kind of word, and an older one changes nothing.
alter table app.templates
    -- When Meta ends the halt by itself; null: somebody must.
    add column halted_until timestamptz,
    -- The account may not send this category (131063, 131064): Meta's word on the template itself
    -- does not end that.
    add column halted_by_account boolean not null default false,
    add column status_noticed_at timestamptz,
    add column quality_noticed_at timestamptz,
    add column category_noticed_at timestamptz,
    -- Announced by Meta; what is charged until then is `category`.
    add column next_category text
        check (next_category in ('marketing', 'utility', 'authentication')),
    add column next_category_at timestamptz;
create index templates_halted_until on app.templates (halted_until) where halted_until is not null;
grant update (halted_until, halted_by_account) on app.templates to carteiro_operator;

alter table app.whatsapp_accounts
    -- When the block ends by itself; null: somebody must lift it.
    add column blocked_until timestamptz,
    add column block_noticed_at timestamptz,
    -- 130497: Meta lets this account write to nobody there.
    add column blocked_countries text[] not null default '{}',
    -- Until when Meta caps utility templates (131064), where it has said so.
    add column utility_capped_until timestamptz;
create index whatsapp_accounts_blocked_until on app.whatsapp_accounts (blocked_until)
    where blocked_until is not null;

alter table app.suppressions
    -- No marketing until then (131049); `until` speaks of every category.
    add column marketing_until timestamptz,
    -- 131062: authentication cannot be sent to this person's business-scoped id.
    add column needs_phone boolean not null default false;

-- The template's category has changed since the campaign was priced.
alter table app.campaigns add column price_stale_at timestamptz;

alter table app.portfolios add column limit_noticed_at timestamptz;

-- Volume tiers a portfolio has reached, for utility and authentication. Meta repeats itself; the
-- earliest time counts.
create table app.volume_tiers (
    tenant_id uuid not null references app.tenants,
    portfolio_id text not null,
    category text not null,
    market text not null,
    -- As Meta writes it: 2026-11.
    effective_month text not null,
    -- `lower:upper` or `lower:MAX`, in messages a month.
    tier text not null,
    reached_at timestamptz not null,
    primary key (tenant_id, portfolio_id, category, market, effective_month, tier)
);
select ops.protect_tenant_table('app.volume_tiers');
grant select on app.volume_tiers to carteiro_app;
grant insert, update on app.volume_tiers to carteiro_worker;
