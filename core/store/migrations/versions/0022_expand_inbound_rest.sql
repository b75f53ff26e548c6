-- What was said before a number came to us, and an answer to who leaves. Expand only.

alter table app.inbound_messages
    -- Written in the WhatsApp Business app before the number came to us: it opens no window, and
    -- nobody is told of it as of something new.
    add column from_history boolean not null default false;

-- As 0009 has it, without what is not news.
create or replace function app.tell_inbound() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.emit_tenant_event(
        n.tenant_id, 'message.inbound',
        jsonb_build_object(
            'inbound_id', n.inbound_id, 'contact_id', n.contact_id, 'message_type', n.type,
            'phone_number_id', n.phone_number_id, 'reply_to_message_id', n.reply_to_message_id),
        n.occurred_at)
    from new_rows as n
    where not n.from_history
        and n.tenant_id in (
            select e.tenant_id
            from app.webhook_endpoints as e
            where e.enabled and (e.event_types = '{*}' or 'message.inbound' = any(e.event_types))
        );
    return null;
end
$$;

-- What a tenant answers to somebody who withdraws by a word or button, by language; a language that
-- is not there gets our text, if we have one. No row of app.opt_out_answers: nothing is answered.
create table app.opt_out_answers (
    tenant_id uuid not null references app.tenants,
    language text not null check (language ~ '^[a-z]{2}$'),
    body text not null check (length(body) between 1 and 1024),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, language)
);
select ops.protect_tenant_table('app.opt_out_answers');
grant select, insert, delete on app.opt_out_answers to carteiro_app;

-- When a person was last answered so, by number: once in a service window, whatever they, or a
-- machine that answers for them, write.
create table app.opt_out_answered (
    tenant_id uuid not null,
    phone_number_id text not null,
    contact_id uuid not null,
    answered_at timestamptz not null,
    primary key (tenant_id, phone_number_id, contact_id),
    foreign key (tenant_id, contact_id) references app.contacts on delete cascade
);
select ops.protect_tenant_table('app.opt_out_answered');
grant insert, update on app.opt_out_answered to carteiro_worker;
