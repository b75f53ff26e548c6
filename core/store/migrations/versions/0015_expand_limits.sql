-- Limits: what the pacer's feed reads by template: expand.

-- A campaign's rows by the template they use: of a variant whose template is halted no row is
-- looked at, and it keeps nothing from the others.
create index messages_due_by_template on app.messages (
    tenant_id, campaign_id, wave, template_id,
    (coalesce(not_before, '-infinity'::timestamptz)), message_id
) where state = 'queued' and campaign_id is not null;
drop index app.messages_due_by_campaign;
