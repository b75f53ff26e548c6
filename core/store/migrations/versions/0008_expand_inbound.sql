-- What people write to us, when free text may answer them, and who they turn out to be. Expand only.

-- ---------------------------------------------------------------------------------------------
-- Inbound messages
-- ---------------------------------------------------------------------------------------------

-- One row for each message a person sent. `body` is what they wrote: personal data, in this column
-- only; never in logs, events or the lake. Rows are deleted after CARTEIRO_INBOUND_RETENTION_DAYS.
create table app.inbound_messages (
    tenant_id uuid not null references app.tenants,
    inbound_id uuid not null,
    phone_number_id text not null,
    contact_id uuid not null,
    -- Meta's id of it, which contains the number: the de-duplication, never shown.
    wamid text not null,
    type text not null,
    body text,
    -- Our message that it answers, when the context named one of ours.
    reply_to_message_id uuid,
    button_payload text,
    media_id text,
    -- The advertisement or post the person came by, as Meta describes it.
    referral jsonb,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    primary key (tenant_id, inbound_id),
    unique (tenant_id, wamid),
    foreign key (tenant_id, contact_id) references app.contacts
);
create index inbound_messages_by_time
    on app.inbound_messages (tenant_id, occurred_at, inbound_id);
create index inbound_messages_by_contact
    on app.inbound_messages (tenant_id, contact_id, occurred_at, inbound_id);
create index inbound_messages_by_age on app.inbound_messages (received_at);
select ops.protect_tenant_table('app.inbound_messages');
grant select on app.inbound_messages to carteiro_app;
grant insert, update, delete on app.inbound_messages to carteiro_worker;

alter table app.service_windows
    -- When the person last came by an advertisement; our answer within 24 h opens the free entry
    -- point: 72 h from the answer in which every category is free.
    add column referral_at timestamptz,
    add column free_entry_until timestamptz;
create index service_windows_referred on app.service_windows (referral_at)
    where referral_at is not null and free_entry_until is null;

-- ---------------------------------------------------------------------------------------------
-- Words and buttons by which people withdraw and agree, beside those of core.domain.consent
-- ---------------------------------------------------------------------------------------------

create table app.consent_keywords (
    tenant_id uuid not null references app.tenants,
    source text not null check (source in ('word', 'button')),
    -- A word as core.domain.consent folds it; a button's payload as it is.
    value text not null check (length(value) between 1 and 256),
    action text not null check (action in ('opt_out', 'opt_in')),
    -- The word as the tenant wrote it.
    written text not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, source, value)
);
select ops.protect_tenant_table('app.consent_keywords');
grant select, insert, delete on app.consent_keywords to carteiro_app;

-- ---------------------------------------------------------------------------------------------
-- Identity
-- ---------------------------------------------------------------------------------------------

alter table app.contact_identities
    -- Business-scoped ids hold for one portfolio.
    add column portfolio_id text,
    -- The person gave this address up. Lists that still name it mean the person; a message from it
    -- is somebody else's.
    add column retired_at timestamptz;

alter table app.contacts
    -- Another row turned out to be the same person and goes on in its place.
    add column merged_into uuid;

-- Two rows that turned out to be one person; what moved, and why we believe it. Append-only.
create table app.contact_merges (
    tenant_id uuid not null references app.tenants,
    merge_id uuid not null,
    kept_contact_id uuid not null,
    merged_contact_id uuid not null,
    reason text not null,
    cancelled_messages integer not null,
    merged_at timestamptz not null default now(),
    primary key (tenant_id, merge_id)
);
select ops.protect_tenant_table('app.contact_merges');
grant select on app.contact_merges to carteiro_app;
grant insert on app.contact_merges to carteiro_worker;
grant insert, update, delete on app.list_members to carteiro_worker;
grant delete on app.suppressions to carteiro_worker;

-- ---------------------------------------------------------------------------------------------
-- What waits on Meta, by when it began to: the settler ends it (held_too_long, ttl)
-- ---------------------------------------------------------------------------------------------

alter table app.templates
    -- Meta's message_send_ttl_seconds: -1 is 30 days; null: the default of the category.
    add column message_send_ttl_seconds integer;
create index messages_awaiting on app.messages (category, accepted_at)
    where state in ('accepted', 'sent', 'held');
