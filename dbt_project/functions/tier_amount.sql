-- Each tier takes the units above the tier before it, up to and including its own bound.
select coalesce(
    sum(
        greatest(
            least(quantity, coalesce(tier.up_to, quantity)) - coalesce(tier.above, 0), 0
        ) * tier.unit
    ),
    0
)
from (
    select
        (entry ->> 'up_to')::numeric as up_to,
        (entry ->> 'unit')::numeric as unit,
        lag((entry ->> 'up_to')::numeric) over (order by position) as above
    from jsonb_array_elements(tiers) with ordinality as listed (entry, position) -- noqa: AL05
) as tier
