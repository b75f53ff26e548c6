-- lock_portfolio --
-- Lets one claim at a time count a limited portfolio's people, over all tenants that share it;
-- locks nothing when it has no limit.
select sharing.portfolio_id
from app.phone_numbers as number
inner join app.whatsapp_accounts as account
    on number.tenant_id = account.tenant_id
    and number.waba_id = account.waba_id
inner join app.portfolios as sharing on account.portfolio_id = sharing.portfolio_id
where number.tenant_id = %(tenant_id)s
    and number.phone_number_id = %(phone_number_id)s
    and sharing.people_per_day is not null
order by sharing.tenant_id
for update of sharing

-- claim_messages --
-- Moves what may be sent now of one ticket to sending; refuses or defers the rest, each with why.
with stops as materialized (
    select
        s.scope,
        s.subject
    from ops.switches as s
    where s.lifted_at is null
        and s.expires_at > now()
        and (
            s.scope = 'everything'
            or (s.scope in ('tenant', 'campaign', 'number') and s.tenant_id = %(tenant_id)s)
        )
),

-- One row, or none when nothing of this number may be claimed.
desk as materialized (
    select
        account.portfolio_id,
        -- Meta's word on the account (130497), and the tenant's own rule.
        account.blocked_countries || tenant.blocked_countries as blocked_countries,
        portfolio.people_per_day
    from app.phone_numbers as number
    inner join app.tenants as tenant on number.tenant_id = tenant.tenant_id
    inner join app.whatsapp_accounts as account
        on number.tenant_id = account.tenant_id
        and number.waba_id = account.waba_id
    -- As portfolios.list_usage counts: the smallest that anybody who shares it heard.
    left join lateral (
        select min(p.people_per_day) as people_per_day
        from app.portfolios as p
        where p.portfolio_id = account.portfolio_id
    ) as portfolio on true
    where number.tenant_id = %(tenant_id)s
        and number.phone_number_id = %(phone_number_id)s
        and tenant.status = 'active'
        and (number.paused_until is null or number.paused_until <= now())
        and account.blocked_reason is null
        and not exists (
            select 1
            from stops as s
            where s.scope in ('everything', 'tenant')
                or (s.scope = 'number' and s.subject = %(phone_number_id)s)
        )
),

candidates as materialized (
    select
        m.message_id,
        m.contact_id,
        -- Where the person is written to today: they may have changed their number since the plan,
        -- or while an attempt was under way, and the old one may be a stranger's by now.
        person.address,
        coalesce(person.country, m.country) as country,
        m.category,
        m.recipient_timezone,
        m.expires_at,
        m.lost_claims,
        coalesce(service.expires_at > now(), false) as window_open,
        pair.until as pair_until,
        case
            when m.expires_at <= now() then 'too_late'
            -- Whoever goes on in this person's place has their own row, or took this one over.
            when person.merged_into is not null then 'same_person'
            when person.erased_at is not null then 'erased'
            when consent.granted is false then 'opted_out'
            when suppression.contact_id is not null then 'suppressed'
            when coalesce(person.country, m.country)
                = any(array(select unnest(d.blocked_countries) from desk as d))
                then 'blocked_country'
            when m.kind = 'text' and coalesce(service.expires_at <= now(), true)
                then 'window_closed'
        end as refusal
    from app.messages as m
    -- Inner: a row that became another person's since this statement began is left for the next,
    -- which asks what that person said.
    inner join app.contacts as person
        on m.tenant_id = person.tenant_id
        and m.contact_id = person.contact_id
    left join app.campaigns as campaign
        on m.tenant_id = campaign.tenant_id
        and m.campaign_id = campaign.campaign_id
    left join app.templates as template
        on m.tenant_id = template.tenant_id
        and m.template_id = template.template_id
    left join app.consent_states as consent
        on m.tenant_id = consent.tenant_id
        and m.contact_id = consent.contact_id
        and m.category = consent.purpose
    left join app.suppressions as suppression
        on m.tenant_id = suppression.tenant_id
        and m.contact_id = suppression.contact_id
        and app.suppressed_as(
            suppression.until, suppression.marketing_until, suppression.needs_phone, m.category,
            person.address, now()
        ) is not null
    left join app.service_windows as service
        on m.tenant_id = service.tenant_id
        and m.phone_number_id = service.phone_number_id
        and m.contact_id = service.contact_id
    left join app.pair_waits as pair
        on m.tenant_id = pair.tenant_id
        and m.phone_number_id = pair.phone_number_id
        and m.contact_id = pair.contact_id
        and pair.until > now()
    where m.tenant_id = %(tenant_id)s
        and exists (select 1 from desk)
        and m.message_id = any(%(message_ids)s::uuid[])
        -- The bounds prune partitions, which an array parameter cannot.
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and m.phone_number_id = %(phone_number_id)s
        and m.state = 'queued'
        and (m.not_before is null or m.not_before <= now())
        and (
            m.campaign_id is null
            or (
                campaign.status = 'running'
                and m.wave <= campaign.released_wave
                and not exists (
                    select 1
                    from stops as s
                    where s.scope = 'campaign'
                        and s.subject = m.campaign_id::text
                )
            )
        )
        -- Too late is too late, also under a halted template, or one that nobody has planned with.
        and (
            m.expires_at <= now()
            or (
                template.halted_reason is null
                and (
                    m.campaign_id is null
                    or app.is_as_planned(
                        campaign.template_version_hash, campaign.category,
                        campaign.variant_hashes, m.variant, template.version_hash,
                        template.category
                    )
                )
            )
        )
    order by m.message_id
    for update of m skip locked
),

-- Asked once for all people of one country and zone.
quiet as materialized (
    select
        z.country,
        z.category,
        z.recipient_timezone,
        app.quiet_until(
            %(tenant_id)s, z.country, z.category, z.recipient_timezone, now()
        ) as quiet_until
    from (
        select distinct
            c.country,
            c.category,
            c.recipient_timezone
        from candidates as c
        where c.refusal is null
    ) as z
),

judged as materialized (
    select
        c.message_id,
        c.contact_id,
        c.window_open,
        c.lost_claims,
        coalesce(
            c.refusal, case when q.quiet_until >= c.expires_at then 'quiet_hours' end
        ) as refusal,
        greatest(q.quiet_until, c.pair_until) as wait_until
    from candidates as c
    left join quiet as q
        on c.category = q.category
        and c.country is not distinct from q.country
        and c.recipient_timezone is not distinct from q.recipient_timezone
),

-- What was lost twice with its worker travels alone, so that it takes nobody with it.
willing as materialized (
    select
        j.message_id,
        j.contact_id,
        j.window_open,
        row_number() over (partition by j.contact_id order by j.message_id) as nth
    from (
        select
            o.*,
            row_number() over (order by o.lost_claims < 2 desc, o.message_id) as place,
            bool_or(o.lost_claims < 2) over () as has_sound
        from judged as o
        where o.refusal is null
            and o.wait_until is null
    ) as j
    where j.lost_claims < 2
        or (j.place = 1 and not j.has_sound)
),

-- Takes each pair's grants under its row's lock: a second claim waits, then sees what is left.
paced as (
    insert into app.pair_paces as pace (
        tenant_id, phone_number_id, contact_id, paid_until, granted
    )
    select
        %(tenant_id)s,
        %(phone_number_id)s,
        w.contact_id,
        now() + least(count(*), 45) * interval '6 seconds',
        least(count(*), 45)
    from willing as w
    group by w.contact_id
    order by w.contact_id
    on conflict (tenant_id, phone_number_id, contact_id) do update
    set
        -- What was asked for: an insert would have granted it all. By the clock, for this row is
        -- locked now: a claim that began first and came second would count from before the other.
        granted = least(excluded.granted, app.pair_credit(pace.paid_until, clock_timestamp())),
        paid_until = greatest(pace.paid_until, clock_timestamp())
            + least(excluded.granted, app.pair_credit(pace.paid_until, clock_timestamp()))
            * interval '6 seconds'
    returning pace.contact_id, pace.granted, pace.paid_until
),

-- Everybody's wait for the pair; null where it may go.
paired as materialized (
    select
        w.message_id,
        w.contact_id,
        w.window_open,
        case
            when w.nth > p.granted
                then p.paid_until + (w.nth - p.granted) * interval '6 seconds'
                    - interval '270 seconds'
        end as wait_until
    from willing as w
    inner join paced as p on w.contact_id = p.contact_id
),

-- Whom a limited portfolio has reached in the moving day, the earliest first. The caller holds the
-- portfolio's lock, and this statement began after it was given.
reach as materialized (
    select
        r.contact_id,
        r.reached_at,
        row_number() over (order by r.reached_at, r.contact_id) as nth
    from desk as d
    inner join lateral (
        select distinct account.tenant_id
        from app.whatsapp_accounts as account
        where account.portfolio_id = d.portfolio_id
    ) as sharing on true
    inner join app.portfolio_reach as r
        on sharing.tenant_id = r.tenant_id
        and d.portfolio_id = r.portfolio_id
    where d.people_per_day is not null
        and r.reached_at > now() - interval '24 hours'
),

newcomers as materialized (
    select
        n.contact_id,
        -- How many places must have become free before this person's turn.
        row_number() over (order by n.message_id) - d.people_per_day
        + (select count(*) from reach) as excess
    from (
        select
            p.contact_id,
            min(p.message_id::text)::uuid as message_id
        from paired as p
        where p.wait_until is null
            and not p.window_open
            and not exists (select 1 from reach as r where r.contact_id = p.contact_id)
        group by p.contact_id
    ) as n
    cross join desk as d
    where d.people_per_day is not null
),

allowed as materialized (
    select
        p.message_id,
        p.contact_id,
        p.window_open,
        case
            when n.excess > 0
                then coalesce(r.reached_at, now()) + interval '24 hours'
            else p.wait_until
        end as wait_until
    from paired as p
    left join newcomers as n on p.contact_id = n.contact_id
    left join reach as r on n.excess = r.nth
),

reached as (
    insert into app.portfolio_reach as r (tenant_id, portfolio_id, contact_id, reached_at)
    select distinct
        %(tenant_id)s::uuid,
        d.portfolio_id,
        a.contact_id,
        now()
    from allowed as a
    cross join desk as d
    where d.people_per_day is not null
        and a.wait_until is null
        and not a.window_open
    on conflict (tenant_id, portfolio_id, contact_id) do update
    set reached_at = excluded.reached_at
),

refused as (
    update app.messages as m
    set
        state = case
            when j.refusal in ('too_late', 'quiet_hours') then 'expired'
            when j.refusal = 'window_closed' then 'failed'
            else 'cancelled'
        end,
        reason = j.refusal,
        error_code = case when j.refusal = 'window_closed' then 131047 end,
        failed_at = case when j.refusal = 'window_closed' then now() end,
        state_changed_at = now()
    from judged as j
    where m.tenant_id = %(tenant_id)s
        and m.message_id = j.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and j.refusal is not null
    returning m.*
),

refusals as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, error_code, attempt_no, occurred_at
    )
    select
        r.tenant_id, r.message_id, r.campaign_id, r.contact_pseudonym, r.waba_id,
        r.phone_number_id, r.state, r.category, r.country, r.market, r.reason, r.error_code,
        r.attempt_no, now()
    from refused as r
),

-- A wait is not an attempt: nothing but its end is written.
deferred as (
    update app.messages as m
    set not_before = w.wait_until
    from (
        select
            j.message_id,
            j.wait_until
        from judged as j
        where j.refusal is null
            and j.wait_until is not null
        union all
        select
            a.message_id,
            a.wait_until
        from allowed as a
        where a.wait_until is not null
    ) as w
    where m.tenant_id = %(tenant_id)s
        and m.message_id = w.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
),

claimed as (
    update app.messages as m
    set
        state = 'sending',
        attempt_no = m.attempt_no + 1,
        claimed_by = %(worker)s,
        claimed_at = now(),
        lease_until = now() + make_interval(secs => %(lease_seconds)s),
        address = c.address,
        country = c.country,
        not_before = null,
        state_changed_at = now()
    from allowed as a
    inner join candidates as c on a.message_id = c.message_id
    where m.tenant_id = %(tenant_id)s
        and m.message_id = a.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and a.wait_until is null
    returning
        m.message_id, m.attempt_no, m.contact_id, m.template_id, m.waba_id, m.address, m.content,
        m.claimed_at, m.throttle_count
)

select
    message_id, attempt_no, contact_id, template_id, waba_id, address, content, claimed_at,
    throttle_count
from claimed
order by message_id

-- list_stopped --
-- Which of these claims may no longer be posted: what was stopped, or who withdrew, since then.
select m.message_id
from app.messages as m
left join app.campaigns as campaign
    on m.tenant_id = campaign.tenant_id
    and m.campaign_id = campaign.campaign_id
left join app.templates as template
    on m.tenant_id = template.tenant_id
    and m.template_id = template.template_id
left join app.consent_states as consent
    on m.tenant_id = consent.tenant_id
    and m.contact_id = consent.contact_id
    and m.category = consent.purpose
inner join app.tenants as tenant on m.tenant_id = tenant.tenant_id
inner join app.phone_numbers as number
    on m.tenant_id = number.tenant_id
    and m.phone_number_id = number.phone_number_id
inner join app.whatsapp_accounts as account
    on number.tenant_id = account.tenant_id
    and number.waba_id = account.waba_id
where m.tenant_id = %(tenant_id)s
    and m.message_id = any(%(message_ids)s::uuid[])
    and m.message_id >= %(lowest)s
    and m.message_id <= %(highest)s
    and (
        campaign.status <> 'running'
        or template.halted_reason is not null
        or consent.granted is false
        or tenant.status <> 'active'
        or number.paused_until > now()
        or account.blocked_reason is not null
        or exists (
            select 1
            from ops.switches as s
            where s.lifted_at is null
                and s.expires_at > now()
                and (
                    s.scope = 'everything'
                    or (
                        s.tenant_id = m.tenant_id
                        and (
                            s.scope = 'tenant'
                            or (s.scope = 'number' and s.subject = m.phone_number_id)
                            or (s.scope = 'campaign' and s.subject = m.campaign_id::text)
                        )
                    )
                )
        )
    )

-- lock_messages --
-- Locks messages in the one order that workers and appliers share.
select m.message_id
from app.messages as m
where m.tenant_id = any(%(tenant_ids)s::uuid[])
    and m.message_id = any(%(message_ids)s::uuid[])
    and m.message_id >= %(lowest)s
    and m.message_id <= %(highest)s
order by m.message_id
for update

-- record_outcomes --
-- Writes what became of a ticket's sends: attempts, wamids, states and each event exactly once.
with outcomes as materialized (
    select *
    from unnest(
        %(message_ids)s::uuid[],
        %(attempt_nos)s::smallint[],
        %(outcomes)s::text[],
        %(states)s::text[],
        %(wamids)s::text[],
        %(error_codes)s::integer[],
        %(not_befores)s::timestamptz[],
        %(claimed_ats)s::timestamptz[],
        %(requested_ats)s::timestamptz[],
        %(answered_ats)s::timestamptz[],
        %(http_statuses)s::smallint[],
        %(error_subcodes)s::integer[],
        %(error_details)s::text[],
        %(fbtrace_ids)s::text[]
    ) as o (
        message_id, attempt_no, outcome, state, wamid, error_code, not_before, claimed_at,
        requested_at, answered_at, http_status, error_subcode, error_detail, fbtrace_id
    )
),

-- The caller has locked them (lock_messages), so nobody changes them meanwhile.
known as materialized (
    select
        m.message_id, m.state, m.reason, m.attempt_no, m.claimed_at, m.accepted_at, m.wamid,
        m.contact_id, m.phone_number_id, m.throttle_count
    from app.messages as m
    where m.tenant_id = %(tenant_id)s
        and m.message_id = any(%(message_ids)s::uuid[])
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
),

judged as materialized (
    select
        o.*,
        case
            -- Acceptance counts for whoever still waits to learn it, also when this attempt was
            -- given up: it proves that no other attempt may follow.
            when o.state in ('accepted', 'held') then
                k.accepted_at is null
                and (
                    (k.state = 'sending' and k.attempt_no = o.attempt_no)
                    or k.state in ('queued', 'in_doubt')
                    or k.reason = 'unconfirmed'
                )
            -- Its claim and not only its number: what never left gives its number back, so that a
            -- second record of it, when the answer to the first was lost, may meet another's claim.
            when k.claimed_at <> o.claimed_at then false
            when o.state = 'in_doubt' then k.attempt_no = o.attempt_no and k.state = 'sending'
            else k.attempt_no = o.attempt_no and k.state in ('sending', 'in_doubt')
        end as applies,
        k.wamid is not null and o.wamid is not null and k.wamid <> o.wamid as sent_twice,
        k.contact_id,
        k.phone_number_id,
        k.throttle_count
    from outcomes as o
    inner join known as k on o.message_id = k.message_id
),

moved as (
    update app.messages as m
    set
        state = j.state,
        reason = null,
        error_code = j.error_code,
        wamid = coalesce(m.wamid, j.wamid),
        accepted_at = case
            when j.state in ('accepted', 'held') then j.answered_at else m.accepted_at
        end,
        failed_at = case when j.state = 'failed' then j.answered_at end,
        -- Nothing left: the number was never signed into a token that anybody saw.
        attempt_no = case
            when j.outcome = 'not_sent' then m.attempt_no - 1 else m.attempt_no
        end,
        throttle_count = case
            when j.state in ('accepted', 'held') then 0
            when j.outcome in ('throttled', 'not_sent') and j.not_before > j.answered_at
                then least(m.throttle_count + 1, 32767)
            else m.throttle_count
        end,
        lost_claims = 0,
        in_doubt_since = case when j.state = 'in_doubt' then now() end,
        not_before = j.not_before,
        lease_until = null,
        state_changed_at = now()
    from judged as j
    where m.tenant_id = %(tenant_id)s
        and m.message_id = j.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and j.applies
    returning m.*
),

-- A webhook was faster, or a second attempt got through: the state stays, the facts are kept.
noted as (
    update app.messages as m
    set
        wamid = coalesce(m.wamid, j.wamid),
        conflict = case when j.sent_twice then 'sent_twice' else m.conflict end
    from judged as j
    where m.tenant_id = %(tenant_id)s
        and m.message_id = j.message_id
        and m.message_id >= %(lowest)s
        and m.message_id <= %(highest)s
        and not j.applies
        and j.wamid is not null
        and (m.wamid is null or j.sent_twice)
    returning j.sent_twice
),

attempts as (
    insert into app.message_attempts (
        tenant_id, message_id, attempt_no, outcome, claimed_at, requested_at, answered_at,
        http_status, error_code, error_subcode, error_detail, fbtrace_id, worker
    )
    select
        %(tenant_id)s, o.message_id, o.attempt_no, o.outcome, o.claimed_at, o.requested_at,
        o.answered_at, o.http_status, o.error_code, o.error_subcode, o.error_detail, o.fbtrace_id,
        %(worker)s
    from outcomes as o
    -- A number that never left is used again; and whoever made a call knows better than a lease.
    on conflict (tenant_id, message_id, attempt_no) do update
    set
        outcome = excluded.outcome,
        claimed_at = excluded.claimed_at,
        requested_at = excluded.requested_at,
        answered_at = excluded.answered_at,
        http_status = excluded.http_status,
        error_code = excluded.error_code,
        error_subcode = excluded.error_subcode,
        error_detail = excluded.error_detail,
        fbtrace_id = excluded.fbtrace_id,
        worker = excluded.worker,
        recorded_at = now()
    where message_attempts.outcome in ('not_sent', 'lease_expired')
),

-- 131056: this number rests for this person, 4^step seconds. Calls that were under way together
-- raise the step once; after ten quiet minutes it begins anew.
rested as (
    insert into app.pair_waits as pair (tenant_id, phone_number_id, contact_id, step, until)
    select
        %(tenant_id)s,
        j.phone_number_id,
        j.contact_id,
        0,
        max(j.answered_at) + interval '1 second'
    from judged as j
    where j.error_code = 131056
        and j.outcome = 'throttled'
    group by j.phone_number_id, j.contact_id
    order by j.contact_id
    on conflict (tenant_id, phone_number_id, contact_id) do update
    set
        step = case
            when pair.until < now() - interval '10 minutes' then 0
            else least(pair.step + 1, 6)
        end,
        until = case
            when pair.until < now() - interval '10 minutes' then excluded.until
            else excluded.until - interval '1 second'
                + power(4, least(pair.step + 1, 6)) * interval '1 second'
        end
    where pair.until < excluded.until - interval '1 second'
),

eased as (
    delete from app.pair_waits as pair
    using judged as j
    where pair.tenant_id = %(tenant_id)s
        and pair.phone_number_id = j.phone_number_id
        and pair.contact_id = j.contact_id
        and j.state in ('accepted', 'held')
        and j.throttle_count > 0
),

identified as (
    insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)
    select %(tenant_id)s, o.wamid, o.message_id, o.attempt_no
    from outcomes as o
    where o.wamid is not null
    order by o.wamid
    on conflict (tenant_id, wamid) do nothing
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, error_code, attempt_no, occurred_at
    )
    select
        m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id,
        m.phone_number_id, m.state, m.category, m.country, m.market, m.error_code, j.attempt_no,
        coalesce(j.answered_at, now())
    from moved as m
    inner join judged as j on m.message_id = j.message_id
    where m.state <> 'queued'
)

select
    (select count(*) from moved) as moved,
    (select count(*) from noted where sent_twice) as sent_twice

-- release_claims --
-- Ends the claims of a dead worker: queued again when no byte left, else in doubt; quarantined when
-- it was the fifth worker in a row to die with them.
-- cross-tenant: a worker serves every tenant
with posted as materialized (
    select *
    from unnest(%(message_ids)s::uuid[], %(attempt_nos)s::integer[]) as p (message_id, attempt_no)
),

claims as materialized (
    select
        m.tenant_id,
        m.message_id,
        p.message_id is not null as is_posted,
        -- What the settler found it has counted, and judged, already.
        m.state = 'sending' as is_uncounted,
        m.state = 'sending' and m.lost_claims >= %(limit)s - 1 as is_poison
    from app.messages as m
    left join posted as p
        on m.message_id = p.message_id
        and m.attempt_no = p.attempt_no
    where m.claimed_by = %(worker)s
        and (
            m.work = 'leased'
            or (
                -- The settler was faster, and knew only that the lease had ended.
                m.work = 'doubt'
                and m.in_doubt_since is not null
                and p.message_id is null
                and exists (
                    select 1
                    from app.message_attempts as a
                    where a.tenant_id = m.tenant_id
                        and a.message_id = m.message_id
                        and a.attempt_no = m.attempt_no
                        and a.outcome = 'lease_expired'
                )
            )
        )
    order by m.message_id
    for update of m
),

moved as (
    update app.messages as m
    set
        state = case when c.is_posted or c.is_poison then 'in_doubt' else 'queued' end,
        reason = case when c.is_poison then 'quarantined' end,
        in_doubt_since = case when c.is_posted and not c.is_poison then now() end,
        attempt_no = case
            when c.is_posted or c.is_poison then m.attempt_no else m.attempt_no - 1
        end,
        lost_claims = least(m.lost_claims + c.is_uncounted::integer, 32767),
        lease_until = null,
        state_changed_at = now()
    from claims as c
    where m.tenant_id = c.tenant_id
        and m.message_id = c.message_id
    returning m.*, c.is_posted, c.is_poison
),

attempts as (
    insert into app.message_attempts (
        tenant_id, message_id, attempt_no, outcome, claimed_at, worker, error_detail
    )
    select
        m.tenant_id, m.message_id,
        case when m.state = 'queued' then m.attempt_no + 1 else m.attempt_no end,
        case when m.is_posted then 'lease_expired' else 'not_sent' end,
        m.claimed_at, m.claimed_by, 'the worker died'
    from moved as m
    on conflict (tenant_id, message_id, attempt_no) do update
    set
        outcome = excluded.outcome,
        claimed_at = excluded.claimed_at,
        worker = excluded.worker,
        error_detail = excluded.error_detail,
        recorded_at = now()
    where message_attempts.outcome in ('not_sent', 'lease_expired')
),

events as (
    insert into raw.message_events (
        tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,
        event_type, category, country, market, reason, attempt_no, occurred_at
    )
    select
        m.tenant_id, m.message_id, m.campaign_id, m.contact_pseudonym, m.waba_id,
        m.phone_number_id, m.state, m.category, m.country, m.market, m.reason, m.attempt_no, now()
    from moved as m
    where m.state <> 'queued'
)

select
    m.tenant_id,
    m.message_id,
    m.state,
    m.is_poison
from moved as m

-- prune_paces --
-- Forgets pairs that owe nothing: their next message finds the whole burst.
-- cross-tenant: one settler serves every tenant
delete from app.pair_paces
where paid_until < now() - interval '1 minute'

-- link_identities --
-- Remembers addresses Meta answered with; an address that belongs to somebody never moves.
insert into app.contact_identities (tenant_id, kind, value, contact_id)
select %(tenant_id)s, o.kind, o.value, o.contact_id
from unnest(%(kinds)s::text[], %(identities)s::text[], %(contact_ids)s::uuid[])
    as o (kind, value, contact_id)
order by o.kind, o.value
on conflict (tenant_id, kind, value) do nothing

-- get_account_token --
-- The encrypted access token of a number's account.
select account.access_token_encrypted
from app.whatsapp_accounts as account
where account.tenant_id = %(tenant_id)s
    and account.waba_id = %(waba_id)s

-- is_outdated --
-- Whether a stop was lifted after the evidence for it, or the refused token replaced meanwhile.
select
    exists (
        select 1
        from app.alerts as a
        where a.tenant_id = %(tenant_id)s
            and a.kind = %(kind)s
            and a.subject = %(subject)s
            and a.closed_at > %(occurred_at)s
    )
    or exists (
        select 1
        from app.whatsapp_accounts as account
        where account.tenant_id = %(tenant_id)s
            and account.waba_id = %(waba_id)s
            and account.access_token_encrypted <> %(refused_token)s::bytea
    )
    -- Meta itself has said since that the template may be used.
    or exists (
        select 1
        from app.templates as t
        where t.tenant_id = %(tenant_id)s
            and %(kind)s = 'template_halted'
            and t.template_id::text = %(subject)s
            and t.status = 'APPROVED'
            and t.status_noticed_at > %(occurred_at)s
    ) as is_outdated

-- slow_number --
-- Multiplicative decrease after 130429, at most once a second however many sends met it.
update app.phone_numbers
set
    granted_per_second = greatest(1, round(granted_per_second * 0.7, 2)),
    throttled_at = now()
where tenant_id = %(tenant_id)s
    and phone_number_id = %(phone_number_id)s
    and (throttled_at is null or throttled_at < now() - interval '1 second')

-- pause_number --
-- Stops claims on a number for some seconds, or until somebody lifts it (the year 9999: Python
-- cannot read infinity). A longer pause keeps its end and its reason.
with asked as (
    select
        coalesce(
            now() + make_interval(secs => %(seconds)s::double precision), '9999-01-01'::timestamptz
        ) as paused_until
)

update app.phone_numbers as number
set
    pause_reason = case
        when number.paused_until > asked.paused_until then number.pause_reason
        else %(reason)s
    end,
    paused_until = greatest(number.paused_until, asked.paused_until)
from asked
where number.tenant_id = %(tenant_id)s
    and number.phone_number_id = %(phone_number_id)s

-- halt_template --
-- Stops claims on a template; a template webhook or a person lifts it.
update app.templates
set halted_reason = %(reason)s
where tenant_id = %(tenant_id)s
    and template_id = %(template_id)s
    and halted_reason is null

-- block_account --
-- Opens the breaker of an account: nothing is claimed on any of its numbers.
update app.whatsapp_accounts
set
    blocked_reason = %(reason)s,
    blocked_at = now()
where tenant_id = %(tenant_id)s
    and waba_id = %(waba_id)s
    and blocked_reason is null

-- suppress_contact --
-- Keeps a person out of every send until an instant (null: until somebody lifts it).
insert into app.suppressions (tenant_id, contact_id, reason, error_code, until)
values (
    %(tenant_id)s, %(contact_id)s, %(reason)s, %(error_code)s,
    now() + make_interval(secs => %(seconds)s::double precision)
)
on conflict (tenant_id, contact_id) do update
set
    reason = excluded.reason,
    error_code = excluded.error_code,
    suppressed_at = now(),
    until = excluded.until,
    added_by = null,
    note = null
-- What lasts longer holds: a person's word, for one, outlasts an answer of Meta's.
where suppressions.until < coalesce(excluded.until, 'infinity')

-- open_alert --
-- Tells people; one open row a subject, which counts how often it was met.
insert into app.alerts (tenant_id, alert_id, kind, subject, detail)
values (%(tenant_id)s, %(alert_id)s, %(kind)s, %(subject)s, %(detail)s)
on conflict (tenant_id, kind, subject) where closed_at is null do update
set
    occurrences = alerts.occurrences + 1,
    last_seen_at = now(),
    detail = excluded.detail

-- close_alert --
-- What an alert tells of is over.
update app.alerts
set closed_at = %(at)s
where tenant_id = %(tenant_id)s
    and kind = %(kind)s
    and subject = %(subject)s
    and closed_at is null
