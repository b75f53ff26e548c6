-- Arms of an experiment stop alone: each is held to the version of its template that was planned.

alter table app.campaigns
    -- By the arm's name, for arms whose template is not the campaign's own.
    add column variant_hashes jsonb;

update app.campaigns as c
set variant_hashes = (
    select jsonb_object_agg(planned ->> 'name', planned ->> 'version_hash')
    from jsonb_path_query(c.plan, 'lax $.variants[*]') as planned
    inner join jsonb_path_query(c.experiment, 'lax $.variants[*]') as arm
        on planned ->> 'name' = arm ->> 'name'
    where arm ->> 'template_id' <> c.template_id::text
)
where c.experiment is not null
    and c.plan is not null
    and c.finished_at is null;

-- Whether a template still is what the plan of a message has frozen: the one rule of claim, pacer,
-- watch and answers. A campaign without a frozen version was never planned.
create function app.is_as_planned(
    campaign_hash text, campaign_category text, variant_hashes jsonb, variant text,
    template_hash text, template_category text
) returns boolean
    language sql immutable parallel safe
    return
        campaign_hash is null
        or (
            coalesce(variant_hashes ->> variant, campaign_hash) = template_hash
            and campaign_category = template_category
        );
revoke execute on function app.is_as_planned(text, text, jsonb, text, text, text) from public;
grant execute on function app.is_as_planned(text, text, jsonb, text, text, text)
    to carteiro_app, carteiro_worker, carteiro_operator;

-- Whether an experiment has an arm with a template of its own: then no arm's change stops the rest.
create function app.has_own_arms(experiment jsonb, template_id uuid) returns boolean
    language sql immutable parallel safe
    return exists (
        select 1
        from jsonb_path_query(experiment, 'lax $.variants[*].template_id') as named (named)
        where named #>> '{}' <> template_id::text
    );
revoke execute on function app.has_own_arms(jsonb, uuid) from public;
grant execute on function app.has_own_arms(jsonb, uuid)
    to carteiro_app, carteiro_worker, carteiro_operator;
