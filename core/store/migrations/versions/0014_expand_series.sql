-- Series over the API: who wrote what is approved; occurrences that are made anew. Expand only.

-- With four eyes a standing approval is given by another than who last changed what it covers.
alter table app.campaign_series add column changed_by text;
update app.campaign_series set changed_by = created_by where changed_by is null;

-- A series that changes takes back what it made and has not started, to make it anew.
grant delete on app.series_occurrences to carteiro_app;
