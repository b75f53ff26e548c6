-- What a sync reads of a template is followed as a webhook's word is, with its alert.
grant insert (tenant_id, alert_id, kind, subject, detail) on app.alerts to carteiro_app;
grant update (occurrences, last_seen_at, detail, closed_at) on app.alerts to carteiro_app;
