-- create_schemas --
-- The schemas of the warehouse, owned by the data path; the API may look into one.
create schema if not exists raw authorization carteiro_data;
create schema if not exists ops authorization carteiro_data;
create schema if not exists rating authorization carteiro_data;
create schema if not exists staging authorization carteiro_data;
create schema if not exists intermediate authorization carteiro_data;
create schema if not exists marts_wip authorization carteiro_data;
create schema if not exists published authorization carteiro_data;
create schema if not exists marts authorization carteiro_data;
create schema if not exists tenant_marts authorization carteiro_data;
grant usage on schema tenant_marts to carteiro_app

-- create_tables --
-- What is loaded from outside: events by ingest day, snapshots, the second count, Meta's count.
create table if not exists raw.message_events (
    ingest_date date not null,
    event_id bigint not null,
    schema_version smallint not null,
    ingested_at timestamptz not null,
    occurred_at timestamptz not null,
    tenant_id uuid not null,
    message_id uuid not null,
    campaign_id uuid,
    contact_pseudonym uuid not null,
    waba_id text not null,
    phone_number_id text not null,
    event_type_code smallint not null,
    category_code smallint not null,
    country text,
    market text,
    billable boolean,
    pricing_model text,
    pricing_type_code smallint,
    pricing_category_code smallint,
    error_code integer,
    reason text,
    attempt_no smallint not null
) partition by list (ingest_date);
create table if not exists raw.event_codes (
    kind text not null,
    code smallint not null,
    name text not null,
    primary key (kind, code)
);
create table if not exists raw.tenants (
    tenant_id uuid primary key,
    slug text not null,
    name text not null,
    timezone text not null,
    currency text not null,
    status text not null
);
create table if not exists raw.whatsapp_accounts (
    tenant_id uuid not null,
    waba_id text not null,
    portfolio_id text not null,
    name text not null,
    timezone text not null,
    currency text not null,
    primary key (tenant_id, waba_id)
);
create table if not exists raw.phone_numbers (
    tenant_id uuid not null,
    phone_number_id text not null,
    waba_id text not null,
    display_phone_number text not null,
    verified_name text,
    primary key (tenant_id, phone_number_id)
);
create table if not exists raw.campaigns (
    tenant_id uuid not null,
    campaign_id uuid not null,
    name text not null,
    phone_number_id text not null,
    category text,
    status text not null,
    created_at timestamptz not null,
    launched_at timestamptz,
    primary key (tenant_id, campaign_id)
);
create table if not exists raw.plan_versions (
    plan_version_id uuid primary key,
    plan_code text not null,
    plan_name text not null,
    version integer not null,
    currency text not null,
    base_fee numeric(18, 6) not null,
    minimum_commitment numeric(18, 6) not null,
    tax_percent numeric(9, 6) not null
);
create table if not exists raw.plan_prices (
    plan_version_id uuid not null,
    category text not null,
    market text not null,
    model text not null,
    tiers jsonb not null,
    rate_percent numeric(9, 6),
    included_quantity bigint not null,
    primary key (plan_version_id, category, market)
);
create table if not exists raw.subscriptions (
    tenant_id uuid not null,
    subscription_id uuid not null,
    plan_version_id uuid not null,
    valid_from date not null,
    valid_to date,
    primary key (tenant_id, subscription_id)
);
create table if not exists raw.meta_rates (
    rate_id uuid primary key,
    market text not null,
    currency text not null,
    category text not null,
    tier_from bigint not null,
    tier_to bigint,
    rate numeric(18, 12) not null,
    valid_from date not null,
    valid_to date,
    source text not null
);
create table if not exists raw.market_map (
    calling_prefix text not null,
    iso text not null,
    market text not null,
    valid_from date not null,
    valid_to date,
    primary key (calling_prefix, iso, valid_from)
);
create table if not exists raw.meta_policies (
    policy_id uuid primary key,
    category text not null,
    pricing_type text not null,
    charged boolean not null,
    rate_category text not null,
    free_quota_per_number_month integer not null,
    valid_from date not null,
    valid_to date,
    source text not null
);
create table if not exists raw.lake_usage (
    tenant_id uuid not null,
    waba_id text not null,
    phone_number_id text not null,
    campaign_id uuid,
    tenant_date date not null,
    account_date date not null,
    category text not null,
    market text,
    country text,
    pricing_category text,
    pricing_type text,
    delivered_count bigint not null,
    read_count bigint not null
);
create table if not exists raw.pricing_analytics (
    tenant_id uuid not null,
    waba_id text not null,
    account_date date not null,
    country text not null,
    pricing_category text not null,
    pricing_type text not null,
    volume bigint not null,
    cost numeric(18, 6),
    fetched_at timestamptz not null,
    primary key (tenant_id, waba_id, account_date, country, pricing_category, pricing_type)
);
create table if not exists ops.loads (
    table_name text not null,
    ingest_date date not null,
    sha256 text not null,
    rows bigint not null,
    run_id text not null,
    loaded_at timestamptz not null default now(),
    primary key (table_name, ingest_date)
);
create table if not exists ops.publications (
    run_id text primary key,
    relations text[] not null,
    published_at timestamptz not null default now()
);
create table if not exists raw.analytics_fetches (
    tenant_id uuid not null,
    waba_id text not null,
    first_date date not null,
    last_date date not null,
    outcome text not null,
    fetched_at timestamptz not null,
    primary key (tenant_id, waba_id)
);

-- find_loads --
-- Which content of each ingest day the warehouse holds.
select ingest_date, sha256, rows
from ops.loads
where table_name = %(table_name)s
order by ingest_date

-- record_load --
-- Remembers which content of a day was loaded.
insert into ops.loads (table_name, ingest_date, sha256, rows, run_id)
values (%(table_name)s, %(ingest_date)s, %(sha256)s, %(rows)s, %(run_id)s)
on conflict (table_name, ingest_date) do update set
    sha256 = excluded.sha256,
    rows = excluded.rows,
    run_id = excluded.run_id,
    loaded_at = now()

-- list_wip --
-- The tables dbt has written and nobody has published yet.
select c.relname::text as table_name
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where n.nspname = 'marts_wip' and c.relkind = 'r'
order by c.relname

-- list_published --
-- The tables behind the published views.
select c.relname::text as table_name
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where n.nspname = 'published' and c.relkind = 'r'
order by c.relname

-- record_publication --
-- Remembers what was published together.
insert into ops.publications (run_id, relations)
values (%(run_id)s, %(relations)s)
on conflict (run_id) do update set
    relations = excluded.relations,
    published_at = now()

-- compare_usage --
-- Keys on which dbt's count and the lake's count differ; empty when the two numbers agree.
-- cross-tenant: the check covers every tenant
select
    tenant_id,
    tenant_date,
    account_date,
    category,
    market,
    pricing_type,
    sum(warehouse_delivered)::bigint as warehouse_delivered,
    sum(lake_delivered)::bigint as lake_delivered
from (
    select
        tenant_id, waba_id, phone_number_id, campaign_id, tenant_date, account_date, category,
        market, country, pricing_category, pricing_type,
        delivered_count as warehouse_delivered, read_count as warehouse_read,
        0 as lake_delivered, 0 as lake_read
    from marts_wip.usage_daily
    union all
    select
        tenant_id, waba_id, phone_number_id, campaign_id, tenant_date, account_date, category,
        market, country, pricing_category, pricing_type,
        0 as warehouse_delivered, 0 as warehouse_read,
        delivered_count as lake_delivered, read_count as lake_read
    from raw.lake_usage
) as both_counts
group by
    tenant_id, waba_id, phone_number_id, campaign_id, tenant_date, account_date, category, market,
    country, pricing_category, pricing_type
having sum(warehouse_delivered) <> sum(lake_delivered) or sum(warehouse_read) <> sum(lake_read)
order by tenant_id, tenant_date, category, market

-- sum_usage --
-- Delivered messages by both counts.
-- cross-tenant: the check covers every tenant
select
    (select coalesce(sum(delivered_count), 0)::bigint from marts_wip.usage_daily) as warehouse,
    (select coalesce(sum(delivered_count), 0)::bigint from raw.lake_usage) as lake

-- delete_analytics --
-- Makes room for what Meta says now about the days of one account.
delete from raw.pricing_analytics
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and account_date >= %(first_date)s
    and account_date <= %(last_date)s

-- insert_analytics --
-- What Meta counted for an account's day; points that differ only in number or tier add up.
insert into raw.pricing_analytics as a (
    tenant_id, waba_id, account_date, country, pricing_category, pricing_type, volume, cost,
    fetched_at
)
values (
    %(tenant_id)s, %(waba_id)s, %(account_date)s, %(country)s, %(pricing_category)s,
    %(pricing_type)s, %(volume)s, %(cost)s, %(fetched_at)s
)
on conflict (tenant_id, waba_id, account_date, country, pricing_category, pricing_type)
do update set
    volume = a.volume + excluded.volume,
    cost = a.cost + excluded.cost

-- record_fetch --
-- Remembers which days of an account Meta has been asked for, and how the last question ended.
insert into raw.analytics_fetches as f (
    tenant_id, waba_id, first_date, last_date, outcome, fetched_at
)
values (
    %(tenant_id)s, %(waba_id)s, %(first_date)s, %(last_date)s, %(outcome)s, %(fetched_at)s
)
on conflict (tenant_id, waba_id) do update set
    first_date = least(f.first_date, excluded.first_date),
    last_date = greatest(f.last_date, excluded.last_date),
    outcome = excluded.outcome,
    fetched_at = excluded.fetched_at

-- sum_reconciliation --
-- Breaks by type with messages and money, for the run's page; currencies are never added up.
-- cross-tenant: the run's page shows the platform's sums
select
    break_type,
    owner,
    currency,
    count(*) as lines,
    sum(our_volume)::bigint as our_volume,
    sum(meta_volume)::bigint as meta_volume,
    sum(our_cost) as our_cost,
    sum(meta_cost) as meta_cost,
    sum(money_at_stake) as money_at_stake
from marts.meta_reconciliation
group by break_type, owner, currency
order by break_type, currency

-- list_unanswered --
-- Accounts for which Meta gave no answer when last asked.
-- cross-tenant: the check covers every account
select waba_id, outcome
from raw.analytics_fetches
where outcome <> 'fetched'
order by waba_id
