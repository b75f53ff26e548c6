-- land_bodies --
-- Stores raw webhook bodies and the work they mean, many requests in one statement and commit.
-- cross-tenant: nothing of a body is known before it is parsed; the applier finds its tenant.
with bodies as (
    insert into raw.webhook_bodies (body, sha256)
    select i.body, sha256(i.body)
    from unnest(%(bodies)b::bytea[]) as i (body)
    returning body_id, received_at
)

insert into raw.webhook_queue (body_id, received_at)
select b.body_id, b.received_at
from bodies as b

-- record_pulse --
-- Says that a webhook could be stored in these five seconds.
insert into raw.landing_pulses (bucket)
values (to_timestamp(floor(extract(epoch from clock_timestamp()) / 5) * 5))
on conflict (bucket) do nothing
