-- Webhooks to tenants.
select 1;
