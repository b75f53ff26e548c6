-- What may be forgotten is: old idempotency keys, sessions, refresh tokens. Expand only.

create index idempotency_keys_old on app.idempotency_keys (created_at);
create index sessions_old on app.sessions (ends_at);
create index refresh_tokens_old on app.refresh_tokens (used_at) where used_at is not null;
grant delete on app.idempotency_keys, app.sessions, app.refresh_tokens to carteiro_worker;
-- To find what is old, not to read what a token was.
grant select (tenant_id, session_id, generation, used_at) on app.refresh_tokens to carteiro_worker;
