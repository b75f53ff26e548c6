-- The only place where a quantity becomes an amount; rounded once, here.
select {{ function('round_money') }}(
    case model
        when 'cost_plus' then meta_cost * (100 + rate_percent) / 100
        when 'per_unit' then {{ function('tier_amount') }}(quantity, tiers)
        when 'graduated' then {{ function('tier_amount') }}(quantity, tiers)
    end,
    currency
)
