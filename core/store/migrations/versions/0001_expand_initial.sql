-- Carteiro, first schema. Read docs/data-model.md beside it.
-- Rules that hold in every statement below:
--   * every tenant table leads its primary key with tenant_id, so that it can be distributed by it;
--   * row-level security is FORCEd; the tenant is set transaction-locally (app.tenant_id);
--   * messages are partitioned by week on their UUIDv7 (its first 48 bits are the time), events and
--     webhook bodies by day; uniqueness that a partitioned table cannot hold lives in
--     hash-partitioned side tables;
--   * validity ranges carry exclusion constraints: overlaps are impossible, not just unlikely.

create schema app;
create schema raw;
create schema billing;
create schema ops;

-- ---------------------------------------------------------------------------------------------
-- Functions
-- ---------------------------------------------------------------------------------------------

create function app.current_tenant_id() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('app.tenant_id', true), '')::uuid;

-- The smallest UUIDv7 of an instant: the bounds of the message partitions.
create function app.uuid7_floor(at timestamptz) returns uuid
    language sql immutable parallel safe
    return (
        lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000'
    )::uuid;

-- A version 7 UUID (RFC 9562, section 5.7) of an instant; PostgreSQL has its own only from 18 on.
create function app.new_uuid7(at timestamptz default clock_timestamp()) returns uuid
    language sql volatile parallel safe
    return encode(
        set_bit(
            set_bit(
                overlay(
                    uuid_send(gen_random_uuid())
                    placing substring(int8send((extract(epoch from at) * 1000)::bigint) from 3)
                    from 1 for 6
                ),
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::uuid;

-- A tenant-keyed pseudonym of a surrogate id. Two nested SHA-256 with the key on both levels, so
-- that it cannot be extended or computed without the key; destroying the key makes it anonymous.
create function app.pseudonym(key bytea, id uuid) returns uuid
    language sql immutable parallel safe
    return substring(
        encode(sha256(key || sha256(key || uuid_send(id))), 'hex') from 1 for 32
    )::uuid;

-- The order of message states: a webhook moves a message forward only. The same table as
-- core/domain/message_state.py, held equal by a test.
create function app.state_rank(state text) returns smallint
    language sql immutable parallel safe
    return (case state
        when 'queued' then 0
        when 'sending' then 1
        when 'in_doubt' then 2
        when 'cancelled' then 2
        when 'expired' then 2
        when 'accepted' then 3
        when 'held' then 4
        when 'sent' then 5
        when 'failed' then 6
        when 'delivered' then 7
        when 'read' then 8
        when 'excluded' then 9
    end)::smallint;

-- Equality in a GiST exclusion constraint without the btree_gist extension, which not every server
-- has: the one-point range ['k', 'k'] overlaps another exactly when the keys are equal.
create type billing.text_range as range (subtype = text, collation = "C");

create function billing.point(key text) returns billing.text_range
    language sql immutable parallel safe
    return billing.text_range(key, key, '[]');

-- ---------------------------------------------------------------------------------------------
-- Tenants, people, keys
-- ---------------------------------------------------------------------------------------------

create table app.tenants (
    tenant_id uuid primary key,
    slug text not null unique check (slug ~ '^[a-z0-9](-?[a-z0-9])*$' and length(slug) <= 63),
    name text not null,
    timezone text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    locale text not null default 'en',
    default_region text not null check (default_region ~ '^[A-Z]{2}$'),
    status text not null default 'active' check (status in ('active', 'suspended', 'closed')),
    -- Keys every pseudonym that leaves the live tables; destroyed when the tenant is erased.
    pseudonym_key bytea not null check (length(pseudonym_key) = 32),
    created_at timestamptz not null default now()
);

create table app.users (
    tenant_id uuid not null references app.tenants,
    user_id uuid not null,
    email text not null,
    name text not null,
    role text not null
        check (role in ('owner', 'admin', 'marketer', 'approver', 'finance', 'viewer')),
    password_hash text not null,
    status text not null default 'active' check (status in ('active', 'suspended')),
    created_at timestamptz not null default now(),
    primary key (tenant_id, user_id),
    unique (tenant_id, email)
);

create table app.api_keys (
    tenant_id uuid not null references app.tenants,
    api_key_id uuid not null,
    name text not null,
    prefix text not null unique,
    key_hash bytea not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, api_key_id)
);

create table app.idempotency_keys (
    tenant_id uuid not null references app.tenants,
    idempotency_key text not null,
    operation text not null,
    request_hash bytea not null,
    status_code smallint,
    response jsonb,
    created_at timestamptz not null default now(),
    primary key (tenant_id, idempotency_key)
);

-- ---------------------------------------------------------------------------------------------
-- WhatsApp accounts, numbers, templates
-- ---------------------------------------------------------------------------------------------

create table app.whatsapp_accounts (
    tenant_id uuid not null references app.tenants,
    waba_id text not null unique,
    portfolio_id text not null,
    name text not null,
    timezone text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    access_token_encrypted bytea not null,
    -- Why nothing is sent on this account now (a breaker); null when it may send.
    blocked_reason text,
    blocked_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (tenant_id, waba_id)
);

create table app.phone_numbers (
    tenant_id uuid not null,
    phone_number_id text not null unique,
    waba_id text not null,
    display_phone_number text not null,
    verified_name text,
    quality text not null default 'UNKNOWN'
        check (quality in ('GREEN', 'YELLOW', 'RED', 'UNKNOWN')),
    -- Messages a second that Meta grants this number: 80, 1000 or 20.
    throughput_per_second integer not null default 80 check (throughput_per_second > 0),
    -- Messages a second that the pacer grants now (AIMD on 130429).
    granted_per_second numeric(8, 2) not null default 80,
    -- When Meta last said 130429: the grant falls at most once a second, and rises only later.
    throttled_at timestamptz,
    paused_until timestamptz,
    pause_reason text,
    synced_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (tenant_id, phone_number_id),
    foreign key (tenant_id, waba_id) references app.whatsapp_accounts
);

create table app.templates (
    tenant_id uuid not null,
    template_id uuid not null,
    waba_id text not null,
    meta_template_id text not null,
    name text not null,
    language text not null,
    category text not null
        check (category in ('marketing', 'utility', 'authentication')),
    status text not null,
    quality text not null default 'UNKNOWN',
    components jsonb not null,
    parameter_format text not null default 'POSITIONAL'
        check (parameter_format in ('POSITIONAL', 'NAMED')),
    version_hash text not null,
    halted_reason text,
    synced_at timestamptz not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, template_id),
    unique (tenant_id, waba_id, name, language),
    foreign key (tenant_id, waba_id) references app.whatsapp_accounts
);

-- ---------------------------------------------------------------------------------------------
-- People: contacts, their identities, lists, consent
-- ---------------------------------------------------------------------------------------------

create table app.contacts (
    tenant_id uuid not null references app.tenants,
    contact_id uuid not null,
    -- Where we send: E.164 with "+", or a business-scoped user id when there is no phone.
    address text not null,
    country text,
    name text,
    language text,
    timezone text,
    attributes jsonb not null default '{}',
    pseudonym uuid not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    erased_at timestamptz,
    primary key (tenant_id, contact_id)
);

-- One person, many addresses: the phone's match key (Brazilian mobiles with the ninth digit), the
-- wa_id Meta answered with, the business-scoped user id. An address belongs to one person only.
create table app.contact_identities (
    tenant_id uuid not null,
    kind text not null check (kind in ('phone', 'wa_id', 'bsuid')),
    value text not null,
    contact_id uuid not null,
    first_seen_at timestamptz not null default now(),
    primary key (tenant_id, kind, value),
    foreign key (tenant_id, contact_id) references app.contacts on delete cascade
);
create index contact_identities_by_contact on app.contact_identities (tenant_id, contact_id);

create table app.lists (
    tenant_id uuid not null references app.tenants,
    list_id uuid not null,
    name text not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, list_id),
    unique (tenant_id, name)
);

create table app.list_members (
    tenant_id uuid not null,
    list_id uuid not null,
    contact_id uuid not null,
    added_at timestamptz not null default now(),
    primary key (tenant_id, list_id, contact_id),
    foreign key (tenant_id, list_id) references app.lists on delete cascade,
    foreign key (tenant_id, contact_id) references app.contacts on delete cascade
);

-- Append-only: who agreed to what, when, by which text, through which channel.
create table app.consents (
    tenant_id uuid not null,
    consent_id uuid not null,
    contact_id uuid not null,
    purpose text not null check (purpose in ('marketing', 'utility', 'authentication', 'service')),
    action text not null check (action in ('granted', 'revoked')),
    channel text not null,
    text_version text,
    evidence jsonb not null default '{}',
    occurred_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    primary key (tenant_id, consent_id),
    foreign key (tenant_id, contact_id) references app.contacts
);
create index consents_by_contact on app.consents (tenant_id, contact_id, purpose, occurred_at);

-- What the ledger says now; written in the ledger entry's own transaction, read by plan and claim.
create table app.consent_states (
    tenant_id uuid not null,
    contact_id uuid not null,
    purpose text not null,
    granted boolean not null,
    consent_id uuid not null,
    occurred_at timestamptz not null,
    primary key (tenant_id, contact_id, purpose),
    foreign key (tenant_id, contact_id) references app.contacts
);

create table app.suppressions (
    tenant_id uuid not null,
    contact_id uuid not null,
    reason text not null,
    error_code integer,
    suppressed_at timestamptz not null default now(),
    -- null: until somebody lifts it.
    until timestamptz,
    primary key (tenant_id, contact_id),
    foreign key (tenant_id, contact_id) references app.contacts
);

create table app.imports (
    tenant_id uuid not null references app.tenants,
    import_id uuid not null,
    list_id uuid not null,
    file_name text,
    status text not null default 'running' check (status in ('running', 'finished', 'failed')),
    rows_read integer not null default 0,
    rows_created integer not null default 0,
    rows_updated integer not null default 0,
    rows_unchanged integer not null default 0,
    rows_merged integer not null default 0,
    rows_refused integer not null default 0,
    refused_by_reason jsonb not null default '{}',
    failure text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (tenant_id, import_id)
);

-- One row for each refused or merged line of an import: where and why, never the value.
create table app.import_errors (
    tenant_id uuid not null,
    import_id uuid not null,
    row_number integer not null,
    outcome text not null check (outcome in ('refused', 'merged', 'warning')),
    column_name text,
    code text not null,
    advice text not null,
    primary key (tenant_id, import_id, row_number, code),
    foreign key (tenant_id, import_id) references app.imports on delete cascade
);

-- ---------------------------------------------------------------------------------------------
-- Campaigns and messages
-- ---------------------------------------------------------------------------------------------

create table app.campaigns (
    tenant_id uuid not null references app.tenants,
    campaign_id uuid not null,
    name text not null,
    phone_number_id text not null,
    template_id uuid not null,
    list_id uuid not null,
    -- Template parameter -> {"attribute": name} or {"value": constant}.
    parameters jsonb not null default '{}',
    status text not null default 'draft' check (status in (
        'draft', 'planning', 'planned', 'plan_failed', 'approved', 'running', 'paused', 'cancelled'
    )),
    status_reason text,
    -- Pinned when planned; what is sent is this and nothing newer.
    category text,
    template_version_hash text,
    plan jsonb,
    plan_hash text,
    planned_at timestamptz,
    approved_at timestamptz,
    approved_by text,
    scheduled_at timestamptz,
    launched_at timestamptz,
    paused_at timestamptz,
    cancelled_at timestamptz,
    -- Set once when no row is open any more; `finished` itself is derived from the rows.
    finished_at timestamptz,
    created_by text not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, campaign_id),
    foreign key (tenant_id, phone_number_id) references app.phone_numbers,
    foreign key (tenant_id, template_id) references app.templates,
    foreign key (tenant_id, list_id) references app.lists
);
create index campaigns_by_status on app.campaigns (tenant_id, status);
create index campaigns_active on app.campaigns (status)
    where status in ('planning', 'running') and finished_at is null;

create table app.messages (
    tenant_id uuid not null,
    message_id uuid not null,
    campaign_id uuid,
    contact_id uuid not null,
    contact_pseudonym uuid not null,
    phone_number_id text not null,
    waba_id text not null,
    address text not null,
    country text,
    market text,
    kind text not null check (kind in ('template', 'text')),
    template_id uuid,
    category text not null check (category in ('marketing', 'utility', 'authentication', 'service')),
    -- The Cloud API message object without the address, frozen when planned.
    content jsonb not null,
    state text not null default 'queued' check (state in (
        'excluded', 'queued', 'sending', 'in_doubt', 'held', 'accepted', 'sent', 'delivered',
        'read', 'failed', 'cancelled', 'expired'
    )),
    exclusion_reason text check (exclusion_reason in (
        'no_consent', 'opted_out', 'suppressed', 'invalid_number', 'missing_parameter',
        'frequency_cap', 'us_marketing', 'duplicate'
    )),
    -- Our own reason for failed, cancelled, expired: unconfirmed, opted_out, campaign_cancelled...
    reason text,
    error_code integer,
    -- A fact that contradicts the state (failed after delivered), kept for people to see.
    conflict text,
    -- The fencing number: raised by every claim, signed into the callback token.
    attempt_no smallint not null default 0,
    claimed_by text,
    lease_until timestamptz,
    not_before timestamptz,
    expires_at timestamptz,
    wamid text,
    billable boolean,
    pricing_model text,
    pricing_type text,
    pricing_category text,
    created_at timestamptz not null default now(),
    state_changed_at timestamptz not null default now(),
    claimed_at timestamptz,
    in_doubt_since timestamptz,
    accepted_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    failed_at timestamptz,
    primary key (tenant_id, message_id),
    check ((state = 'excluded') = (exclusion_reason is not null))
) partition by range (message_id);

create index messages_queued_by_campaign on app.messages (tenant_id, campaign_id, message_id)
    where state = 'queued';
create index messages_queued_single on app.messages (tenant_id, phone_number_id, message_id)
    where state = 'queued' and campaign_id is null;
create index messages_leased on app.messages (lease_until) where state = 'sending';
create index messages_in_doubt on app.messages (in_doubt_since) where state = 'in_doubt';
create index messages_by_campaign on app.messages (tenant_id, campaign_id, state);
create index messages_by_contact on app.messages (tenant_id, contact_id);

-- UNIQUE (campaign, person): the guard that makes planning twice harmless.
create table app.campaign_recipients (
    tenant_id uuid not null,
    campaign_id uuid not null,
    contact_id uuid not null,
    message_id uuid not null,
    primary key (tenant_id, campaign_id, contact_id)
) partition by hash (campaign_id);

-- Which message a wamid belongs to. A wamid contains the recipient's number: it never leaves here.
create table app.message_wamids (
    tenant_id uuid not null,
    wamid text not null,
    message_id uuid not null,
    attempt_no smallint not null,
    recorded_at timestamptz not null default now(),
    primary key (tenant_id, wamid)
) partition by hash (wamid);

-- One row per attempt, written when its outcome is known: the explain page reads it.
create table app.message_attempts (
    tenant_id uuid not null,
    message_id uuid not null,
    attempt_no smallint not null,
    outcome text not null check (outcome in (
        'accepted', 'held', 'rejected', 'throttled', 'not_sent', 'in_doubt', 'lease_expired'
    )),
    claimed_at timestamptz not null,
    requested_at timestamptz,
    answered_at timestamptz,
    http_status smallint,
    error_code integer,
    error_subcode integer,
    error_detail text,
    fbtrace_id text,
    worker text,
    recorded_at timestamptz not null default now(),
    primary key (tenant_id, message_id, attempt_no)
) partition by range (message_id);

-- (wamid, status) seen: the de-duplication of status webhooks, in the same transaction as its effect.
create table app.status_keys (
    tenant_id uuid not null,
    wamid text not null,
    status text not null,
    occurred_at timestamptz not null,
    applied_at timestamptz not null default now(),
    primary key (tenant_id, wamid, status)
) partition by hash (wamid);

create table app.exports (
    tenant_id uuid not null references app.tenants,
    export_id uuid not null,
    dataset text not null,
    format text not null check (format in ('parquet', 'csv', 'ndjson', 'xlsx')),
    filters jsonb not null default '{}',
    status text not null default 'queued'
        check (status in ('queued', 'running', 'ready', 'failed', 'expired')),
    path text,
    rows bigint,
    bytes bigint,
    sha256 text,
    manifest jsonb,
    failure text,
    requested_by text not null,
    requested_at timestamptz not null default now(),
    finished_at timestamptz,
    expires_at timestamptz,
    primary key (tenant_id, export_id)
);
create index exports_queued on app.exports (requested_at) where status in ('queued', 'running');

-- What a person must look at: unknown codes, breakers, halted templates. One open row per subject.
create table app.alerts (
    tenant_id uuid not null references app.tenants,
    alert_id uuid not null,
    kind text not null,
    subject text not null,
    detail text not null,
    occurrences integer not null default 1,
    opened_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    closed_at timestamptz,
    primary key (tenant_id, alert_id)
);
create unique index alerts_open on app.alerts (tenant_id, kind, subject) where closed_at is null;

-- ---------------------------------------------------------------------------------------------
-- raw: what came in, append-only
-- ---------------------------------------------------------------------------------------------

create table raw.webhook_bodies (
    body_id bigint generated always as identity,
    received_at timestamptz not null default clock_timestamp(),
    body bytea not null,
    sha256 bytea not null,
    primary key (received_at, body_id)
) partition by range (received_at);

-- Work left for the applier: a row is deleted in the transaction that applied the body. A queue
-- table, not a moving id: bodies commit out of order and "id >" would step over the late ones.
create table raw.webhook_queue (
    body_id bigint primary key,
    received_at timestamptz not null,
    not_before timestamptz not null default '-infinity',
    attempts smallint not null default 0
);

create table raw.webhook_quarantine (
    quarantine_id bigint generated always as identity primary key,
    tenant_id uuid,
    body_id bigint not null,
    received_at timestamptz not null,
    update_index integer not null,
    reason text not null,
    detail text not null,
    quarantined_at timestamptz not null default now(),
    resolved_at timestamptz
);

-- Statuses of a wamid that no message has yet: kept 8 days (Meta retries for 7), then quarantined.
create table raw.orphan_statuses (
    orphan_id bigint generated always as identity primary key,
    tenant_id uuid not null,
    phone_number_id text not null,
    wamid text not null,
    status text not null,
    update_json jsonb not null,
    body_id bigint not null,
    first_seen_at timestamptz not null default now(),
    next_try_at timestamptz not null default now()
);
create index orphan_statuses_by_wamid on raw.orphan_statuses (tenant_id, wamid);
create index orphan_statuses_due on raw.orphan_statuses (next_try_at);
create index orphan_statuses_by_age on raw.orphan_statuses (first_seen_at);

-- One row per business fact, written by the statement that changes the state. No personal data:
-- surrogate ids, a keyed pseudonym, market, category. xid lets a reader stop below every open
-- transaction; duplicates are tolerated by readers and counted by a check.
create table raw.message_events (
    event_id bigint generated always as identity,
    schema_version smallint not null default 1,
    ingested_at timestamptz not null default clock_timestamp(),
    xid xid8 not null default pg_current_xact_id(),
    tenant_id uuid not null,
    message_id uuid not null,
    campaign_id uuid,
    contact_pseudonym uuid not null,
    waba_id text not null,
    phone_number_id text not null,
    event_type text not null check (event_type in (
        'planned', 'excluded', 'accepted', 'held', 'sent', 'delivered', 'read', 'failed',
        'in_doubt', 'cancelled', 'expired'
    )),
    category text not null,
    country text,
    market text,
    billable boolean,
    pricing_model text,
    pricing_type text,
    pricing_category text,
    error_code integer,
    reason text,
    attempt_no smallint not null default 0,
    occurred_at timestamptz not null,
    primary key (ingested_at, event_id)
) partition by range (ingested_at);
create index message_events_by_message on raw.message_events (tenant_id, message_id);

-- ---------------------------------------------------------------------------------------------
-- billing: catalogue, Meta's prices, invoices
-- ---------------------------------------------------------------------------------------------

create table billing.rate_card_files (
    file_id uuid primary key,
    name text not null,
    sha256 text not null unique,
    rows integer not null,
    imported_at timestamptz not null default now()
);

create table billing.meta_rates (
    rate_id uuid primary key,
    file_id uuid not null references billing.rate_card_files,
    market text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    category text not null check (category in (
        'marketing', 'utility', 'authentication', 'authentication_international', 'service'
    )),
    tier_from bigint not null default 1 check (tier_from >= 1),
    tier_to bigint check (tier_to >= tier_from),
    rate numeric(18, 12) not null check (rate >= 0),
    valid daterange not null check (not isempty(valid)),
    source text not null,
    -- One rate for a market, currency, category, tier and day. Dates are days of the account zone.
    exclude using gist (
        billing.point(market || '/' || currency || '/' || category) with &&,
        int8range(tier_from, tier_to, '[]') with &&,
        valid with &&
    )
);

create table billing.market_map (
    calling_prefix text not null check (calling_prefix ~ '^[0-9]{1,7}$'),
    iso text not null,
    market text not null,
    valid daterange not null check (not isempty(valid)),
    source text not null,
    exclude using gist (billing.point(calling_prefix || '/' || iso) with &&, valid with &&)
);

-- Meta's rules of what is charged, dated by the account's local day of delivery.
create table billing.meta_policies (
    policy_id uuid primary key,
    category text not null check (category in (
        'marketing', 'utility', 'authentication', 'authentication_international', 'service'
    )),
    pricing_type text not null
        check (pricing_type in ('regular', 'free_customer_service', 'free_entry_point')),
    charged boolean not null,
    -- Which category's rate is used (service is charged at the service column of the card).
    rate_category text not null,
    free_quota_per_number_month integer not null default 0,
    valid daterange not null check (not isempty(valid)),
    source text not null,
    exclude using gist (billing.point(category || '/' || pricing_type) with &&, valid with &&)
);

create table billing.plans (
    plan_id uuid primary key,
    code text not null unique,
    name text not null
);

create table billing.plan_versions (
    plan_version_id uuid primary key,
    plan_id uuid not null references billing.plans,
    version integer not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    base_fee numeric(18, 6) not null check (base_fee >= 0),
    minimum_commitment numeric(18, 6) not null default 0 check (minimum_commitment >= 0),
    tax_percent numeric(9, 6) not null default 0 check (tax_percent >= 0),
    created_at timestamptz not null default now(),
    unique (plan_id, version)
);

create table billing.plan_prices (
    plan_version_id uuid not null references billing.plan_versions,
    category text not null
        check (category in ('marketing', 'utility', 'authentication', 'service')),
    -- '*' is any market; a named market wins over it.
    market text not null default '*',
    model text not null check (model in ('per_unit', 'graduated', 'cost_plus')),
    -- per_unit: [{"up_to": null, "unit": "0.10"}]; graduated: tiers; cost_plus: percent on Meta's cost.
    tiers jsonb not null default '[]',
    rate_percent numeric(9, 6),
    included_quantity bigint not null default 0,
    primary key (plan_version_id, category, market)
);

create table billing.subscriptions (
    tenant_id uuid not null references app.tenants,
    subscription_id uuid not null,
    plan_version_id uuid not null references billing.plan_versions,
    -- Days of the tenant's zone.
    valid daterange not null check (not isempty(valid)),
    created_at timestamptz not null default now(),
    primary key (tenant_id, subscription_id),
    exclude using gist (billing.point(tenant_id::text) with &&, valid with &&)
);

create table billing.invoices (
    tenant_id uuid not null references app.tenants,
    invoice_id uuid not null,
    period_start date not null,
    period_end date not null check (period_end > period_start),
    period_timezone text not null,
    period_start_at timestamptz not null,
    period_end_at timestamptz not null,
    currency text not null,
    status text not null check (status in ('draft', 'parked', 'final')),
    parked_reasons text[] not null default '{}',
    plan_version_id uuid not null references billing.plan_versions,
    net numeric(18, 6) not null,
    tax numeric(18, 6) not null,
    total numeric(18, 6) not null,
    -- Digest of the rated lines it was built from: same inputs, same digest, same invoice.
    inputs_digest text not null,
    run_id text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, invoice_id),
    unique (tenant_id, period_start, period_end),
    check (net + tax = total)
);

create table billing.invoice_lines (
    tenant_id uuid not null,
    invoice_id uuid not null,
    line_no integer not null,
    kind text not null check (kind in ('base_fee', 'usage', 'minimum', 'tax')),
    category text,
    market text,
    description text not null,
    quantity numeric(18, 6) not null,
    unit_price numeric(18, 12),
    net numeric(18, 6) not null,
    tax numeric(18, 6) not null,
    -- Everything the line was computed from: rule path, rate rows, plan version, event digest.
    explanation jsonb not null,
    primary key (tenant_id, invoice_id, line_no),
    foreign key (tenant_id, invoice_id) references billing.invoices on delete cascade
);

-- ---------------------------------------------------------------------------------------------
-- ops: the data path's own books
-- ---------------------------------------------------------------------------------------------

create table ops.extractions (
    table_name text not null,
    ingest_date date not null,
    run_id text not null,
    rows bigint not null,
    min_event_id bigint,
    max_event_id bigint,
    bytes bigint not null,
    sha256 text not null,
    files jsonb not null,
    -- Rows of transactions below this were visible; nothing below it can appear later.
    horizon xid8 not null,
    -- Set by the first read after the day's end: once the horizon has passed it, every transaction
    -- that could have written into the day is over.
    closes_at xid8,
    -- True when the day is over and every such transaction had ended: the partition cannot grow.
    closed boolean not null,
    extracted_at timestamptz not null default now(),
    primary key (table_name, ingest_date)
);

-- ---------------------------------------------------------------------------------------------
-- Partitions: created ahead, dropped by detach; the DEFAULT partition is an alarm, not a home
-- ---------------------------------------------------------------------------------------------

do $$
begin
    for part in 0..7 loop
        execute format('create table app.campaign_recipients_%1$s partition of '
            'app.campaign_recipients for values with (modulus 8, remainder %1$s)', part);
        execute format('create table app.message_wamids_%1$s partition of '
            'app.message_wamids for values with (modulus 8, remainder %1$s)', part);
        execute format('create table app.status_keys_%1$s partition of '
            'app.status_keys for values with (modulus 8, remainder %1$s)', part);
    end loop;
end
$$;

create table app.messages_default partition of app.messages default;
create table app.message_attempts_default partition of app.message_attempts default;
create table raw.message_events_default partition of raw.message_events default;
create table raw.webhook_bodies_default partition of raw.webhook_bodies default;

-- Creates what is missing from a week back to `days_ahead` days from `as_of`; returns how many.
create function ops.ensure_partitions(as_of timestamptz, days_ahead integer) returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    day date := (as_of at time zone 'UTC')::date - 7;
    week date := date_trunc('week', (as_of at time zone 'UTC') - interval '7 days')::date;
    last_day date := (as_of at time zone 'UTC')::date + days_ahead;
    created integer := 0;
    name text;
    parent text;
begin
    -- Two processes may call it together; the second finds nothing to do.
    perform pg_advisory_xact_lock(hashtext('carteiro.ensure_partitions'));
    while week <= last_day loop
        foreach parent in array array['messages', 'message_attempts'] loop
            name := parent || '_' || to_char(week, 'IYYY"w"IW');
            if to_regclass('app.' || name) is null then
                -- ATTACH lets writers go on; CREATE ... PARTITION OF would lock the parent.
                begin
                    execute format(
                        'create table app.%I '
                        '(like app.%I including defaults including constraints)', name, parent
                    );
                    execute format(
                        'alter table app.%I attach partition app.%I for values from (%L) to (%L)',
                        parent, name,
                        app.uuid7_floor(week::timestamp at time zone 'UTC'),
                        app.uuid7_floor((week + 7)::timestamp at time zone 'UTC')
                    );
                    created := created + 1;
                exception when check_violation then
                    -- Its rows lie in the DEFAULT partition: an alarm, but not for the others.
                    raise warning 'partition % must wait: rows of it are in the default', name;
                end;
            end if;
        end loop;
        week := week + 7;
    end loop;
    while day <= last_day loop
        foreach parent in array array['message_events', 'webhook_bodies'] loop
            name := parent || '_' || to_char(day, 'YYYYMMDD');
            if to_regclass('raw.' || name) is null then
                begin
                    execute format(
                        'create table raw.%I '
                        '(like raw.%I including defaults including constraints)', name, parent
                    );
                    execute format(
                        'alter table raw.%I attach partition raw.%I for values from (%L) to (%L)',
                        parent, name,
                        day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC'
                    );
                    created := created + 1;
                exception when check_violation then
                    raise warning 'partition % must wait: rows of it are in the default', name;
                end;
            end if;
        end loop;
        day := day + 1;
    end loop;
    return created;
end
$$;

-- ---------------------------------------------------------------------------------------------
-- Views
-- ---------------------------------------------------------------------------------------------

-- Messages of a campaign by state. The sum over states is the number of people planned.
create view app.campaign_state_counts with (security_invoker = true) as
select
    tenant_id,
    campaign_id,
    state,
    exclusion_reason,
    error_code,
    reason,
    count(*) as messages
from app.messages
where campaign_id is not null
group by tenant_id, campaign_id, state, exclusion_reason, error_code, reason;

-- ---------------------------------------------------------------------------------------------
-- Authentication: the only reads without a tenant that the API may make
-- ---------------------------------------------------------------------------------------------

create function app.find_api_key(wanted_prefix text)
    returns table (
        tenant_id uuid, api_key_id uuid, key_hash bytea, scopes text[], expires_at timestamptz,
        revoked_at timestamptz, tenant_status text
    )
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select
        k.tenant_id, k.api_key_id, k.key_hash, k.scopes, k.expires_at, k.revoked_at, t.status
    from app.api_keys as k
    inner join app.tenants as t on k.tenant_id = t.tenant_id
    where k.prefix = wanted_prefix
$$;

create function app.find_login(wanted_slug text, wanted_email text)
    returns table (
        tenant_id uuid, user_id uuid, password_hash text, role text, user_status text,
        tenant_status text
    )
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select u.tenant_id, u.user_id, u.password_hash, u.role, u.status, t.status
    from app.users as u
    inner join app.tenants as t on u.tenant_id = t.tenant_id
    where t.slug = wanted_slug and u.email = wanted_email
$$;

-- ---------------------------------------------------------------------------------------------
-- Row-level security and grants
-- ---------------------------------------------------------------------------------------------

do $$
declare
    t record;
begin
    for t in
        select n.nspname, c.relname
        from pg_class as c
        inner join pg_namespace as n on c.relnamespace = n.oid
        inner join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id'
        where n.nspname in ('app', 'raw', 'billing')
            and c.relkind in ('r', 'p') and not c.relispartition
    loop
        execute format('alter table %I.%I enable row level security', t.nspname, t.relname);
        execute format('alter table %I.%I force row level security', t.nspname, t.relname);
        execute format(
            'create policy tenant_isolation on %I.%I to carteiro_app, carteiro_readonly '
            'using (tenant_id = app.current_tenant_id()) '
            'with check (tenant_id = app.current_tenant_id())', t.nspname, t.relname);
        -- The sender, the data path and the operator serve every tenant: their queries name it.
        execute format(
            'create policy platform on %I.%I to carteiro_worker, carteiro_data, carteiro_operator '
            'using (true) with check (true)', t.nspname, t.relname);
    end loop;
end
$$;
create policy authentication on app.tenants for select to carteiro_auth using (true);
create policy authentication on app.api_keys for select to carteiro_auth using (true);
create policy authentication on app.users for select to carteiro_auth using (true);

grant usage on schema app to
    carteiro_app, carteiro_worker, carteiro_data, carteiro_operator, carteiro_readonly,
    carteiro_auth;
grant usage on schema raw to
    carteiro_app, carteiro_worker, carteiro_data, carteiro_operator, carteiro_readonly;
grant usage on schema billing to
    carteiro_app, carteiro_worker, carteiro_data, carteiro_operator, carteiro_readonly;
grant usage on schema ops to carteiro_worker, carteiro_data, carteiro_operator;

grant usage on type billing.text_range to public;
revoke execute on all functions in schema app from public;
revoke execute on all functions in schema ops from public;
grant execute on function app.current_tenant_id(), app.new_uuid7(timestamptz),
    app.uuid7_floor(timestamptz), app.pseudonym(bytea, uuid), app.state_rank(text)
    to carteiro_app, carteiro_worker, carteiro_data, carteiro_operator, carteiro_readonly;
grant execute on function ops.ensure_partitions(timestamptz, integer)
    to carteiro_worker, carteiro_data, carteiro_operator;

grant select on app.tenants, app.api_keys, app.users to carteiro_auth;
-- A function gets an owner only with CREATE on its schema; taken back at once.
grant create on schema app to carteiro_auth;
alter function app.find_api_key(text) owner to carteiro_auth;
alter function app.find_login(text, text) owner to carteiro_auth;
revoke create on schema app from carteiro_auth;
grant execute on function app.find_api_key(text), app.find_login(text, text) to carteiro_app;

-- The API: its own tenant only (policy), no delete but of what a plan may redo.
grant select, insert, update on
    app.users, app.api_keys, app.idempotency_keys, app.templates, app.contacts,
    app.contact_identities, app.lists, app.list_members, app.consent_states, app.suppressions,
    app.imports, app.import_errors, app.campaigns, app.exports
    to carteiro_app;
grant delete on app.idempotency_keys, app.list_members, app.suppressions to carteiro_app;
grant select, insert on app.consents to carteiro_app;
grant select, insert on app.messages to carteiro_app;
grant select on
    app.tenants, app.campaign_recipients, app.message_attempts, app.message_wamids,
    app.status_keys, app.alerts, app.campaign_state_counts
    to carteiro_app;
grant update (name, locale) on app.tenants to carteiro_app;
grant update (state, reason, state_changed_at) on app.messages to carteiro_app;
grant select, insert, update on app.whatsapp_accounts, app.phone_numbers to carteiro_app;
-- Landing writes bodies without reading them back; the events of a change go with the change.
grant insert on raw.webhook_bodies, raw.webhook_queue, raw.message_events to carteiro_app;
-- The queue row needs the key that the body row was given; the body itself stays unreadable.
grant select (body_id, received_at) on raw.webhook_bodies to carteiro_app;
grant select on raw.message_events, raw.webhook_quarantine to carteiro_app;
grant select on all tables in schema billing to carteiro_app;

-- The sender.
grant select on all tables in schema app to carteiro_worker;
grant select on all tables in schema raw to carteiro_worker;
grant select on all tables in schema billing to carteiro_worker;
grant insert, update, delete on
    app.messages, app.campaign_recipients, raw.webhook_queue, raw.orphan_statuses
    to carteiro_worker;
grant insert, update on
    app.campaigns, app.phone_numbers, app.whatsapp_accounts, app.templates, app.alerts,
    app.message_wamids, app.status_keys, app.suppressions, app.consent_states,
    app.contact_identities, app.contacts, raw.webhook_quarantine
    to carteiro_worker;
grant insert on
    app.message_attempts, app.consents, raw.message_events
    to carteiro_worker;

-- The data path.
grant select on all tables in schema app, raw, billing, ops to carteiro_data;
grant insert, update, delete on billing.invoices, billing.invoice_lines to carteiro_data;
grant insert, update on
    app.exports, app.alerts, billing.rate_card_files, billing.meta_rates, billing.market_map,
    billing.meta_policies, ops.extractions
    to carteiro_data;

-- The operator: tenants, their accounts, plans, rate cards.
grant select on all tables in schema app, raw, billing, ops to carteiro_operator;
grant insert, update on
    app.tenants, app.users, app.api_keys, app.whatsapp_accounts, app.phone_numbers,
    app.campaigns, app.alerts
    to carteiro_operator;
grant update (halted_reason) on app.templates to carteiro_operator;
grant insert, update, delete on all tables in schema billing to carteiro_operator;

-- Analysts: one tenant at a time, nothing that identifies a person.
grant select on
    app.campaigns, app.templates, app.phone_numbers, app.lists, raw.message_events
    to carteiro_readonly;
grant select (
    tenant_id, slug, name, timezone, currency, locale, default_region, status, created_at
) on app.tenants to carteiro_readonly;
grant select on all tables in schema billing to carteiro_readonly;
