-- Series whose campaigns have arms and waves. Expand only.

alter table app.campaign_series
    -- As in app.campaigns; each run draws its own arms and begins with its own first wave.
    add column experiment jsonb,
    add column canary jsonb,
    -- Versions of the arms' own templates that the standing approval is of, by the arm's name.
    add column approved_variant_hashes jsonb;
