-- Whenever it had no fresh statistics, PostgreSQL took this index also to find one delivery by its key,
-- past every waiting one of the endpoint: to record an attempt took the longer the more waited. It can
-- only take it where a query repeats the condition, which every row fulfils.
drop index app.webhook_queue_due;
create index webhook_queue_due on app.webhook_queue (tenant_id, endpoint_id, due_at, event_id)
    where due_at < 'infinity';
