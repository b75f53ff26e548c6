-- Templates that are written here: a draft, and the call that hands it in to Meta. Expand only.

alter table app.templates
    -- What a person wrote and Meta doesn't have yet; null: Meta has everything. A template that
    -- never was at Meta has the status DRAFT and its draft in `components` too.
    add column draft jsonb,
    -- When the call that hands the draft in began; null: none is under way, or it was answered. One
    -- that nobody answered for (a crash) is over with its time, and a sync brings what Meta made.
    add column submitted_at timestamptz,
    add column rejected_reason text,
    add column created_by text;

-- Only what never was at Meta, to which nothing can refer that was sent.
grant delete on app.templates to carteiro_app;
