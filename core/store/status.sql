-- list_stops --
-- What stops something of the tenant now: switches, paused numbers, blocked accounts, endpoints
-- that we switched off. `since` and `until` as far as they are known.
select s.scope as kind, s.subject, null::timestamptz as since, s.expires_at as until
from app.switches_in_force() as s
union all
select 'number_paused', n.phone_number_id, null, n.paused_until
from app.phone_numbers as n
where n.tenant_id = %(tenant_id)s and n.paused_until > now()
union all
select 'account_blocked', a.waba_id, a.blocked_at, a.blocked_until
from app.whatsapp_accounts as a
where a.tenant_id = %(tenant_id)s and a.blocked_reason is not null
union all
select 'endpoint_disabled', e.endpoint_id::text, e.disabled_at, null
from app.webhook_endpoints as e
where e.tenant_id = %(tenant_id)s
    and e.deleted_at is null
    and not e.enabled
    and e.disabled_reason <> 'by_owner'
order by kind, subject

-- get_backlogs --
-- Since when what is first in each line could have gone: single messages, running campaigns, our
-- webhooks to the tenant's endpoints, Meta's to us. Null where nothing waits.
select
    (
        select min(first.ready_at)
        from app.phone_numbers as n
        cross join lateral (
            select greatest(m.created_at, m.not_before) as ready_at
            from app.messages as m
            where m.tenant_id = %(tenant_id)s
                and m.phone_number_id = n.phone_number_id
                and m.campaign_id is null
                and m.work = 'due'
                and coalesce(m.not_before, '-infinity'::timestamptz) <= now()
            order by coalesce(m.not_before, '-infinity'::timestamptz), m.message_id
            limit 1
        ) as first
        where n.tenant_id = %(tenant_id)s
    ) as single_messages,
    (
        select min(greatest(c.launched_at, c.scheduled_at))
        from app.campaigns as c
        where c.tenant_id = %(tenant_id)s
            and c.status = 'running'
            and c.finished_at is null
            and exists (
                select
                from app.messages as m
                where m.tenant_id = %(tenant_id)s
                    and m.campaign_id = c.campaign_id
                    and m.message_id >= app.uuid7_floor(c.created_at - interval '1 minute')
                    and m.work = 'due'
                    and m.wave <= c.released_wave
                    and coalesce(m.not_before, '-infinity'::timestamptz) <= now()
            )
    ) as campaigns,
    (
        select min(first.due_at)
        from app.webhook_endpoints as e
        cross join lateral (
            select q.due_at
            from app.webhook_queue as q
            where q.tenant_id = %(tenant_id)s
                and q.endpoint_id = e.endpoint_id
                and q.due_at <= now()
            order by q.due_at
            limit 1
        ) as first
        where e.tenant_id = %(tenant_id)s and e.enabled and e.deleted_at is null
    ) as deliveries,
    app.webhooks_waiting_since() as meta_webhooks
