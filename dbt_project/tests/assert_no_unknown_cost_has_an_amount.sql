select *
from {{ ref('meta_costs') }}
where
    (cost_state = 'unknown' and meta_cost is not null)
    or (cost_state <> 'unknown' and meta_cost is null)
    or (cost_state = 'free' and meta_cost <> 0)
