with periods as (

    select * from {{ ref('int_periods_subscribed') }}

),

plan_versions as (

    select * from {{ ref('stg_platform__plan_versions') }}

),

rated_lines as (

    select * from {{ ref('rated_lines') }}

),

base_fees as (

    select
        periods.tenant_id,
        periods.period_start,
        periods.plan_version_id,
        'base_fee' as kind,
        null::text as category,
        null::text as price_market,
        plan_versions.plan_name || ', base fee' as description,
        periods.days_used::numeric as quantity,
        null::numeric as unit_price,
        {{ function('prorated_amount') }}(
            plan_versions.base_fee, periods.days_used, periods.days_in_period,
            plan_versions.plan_currency
        ) as net,
        jsonb_build_object(
            'rule', 'base fee x days used / days in period',
            'plan', plan_versions.plan_code,
            'plan_version', plan_versions.plan_version,
            'base_fee', plan_versions.base_fee,
            'days_used', periods.days_used,
            'days_in_period', periods.days_in_period
        ) as explanation
    from periods
    inner join plan_versions on periods.plan_version_id = plan_versions.plan_version_id

),

usage_lines as (

    select
        tenant_id,
        period_start,
        plan_version_id,
        'usage' as kind,
        category,
        price_market,
        'Messages, '
        || category
        || case when price_market = '*' then '' else ', ' || price_market end as description,
        billed_count::numeric as quantity,
        case
            when price_model = 'per_unit' then (tiers -> 0 ->> 'unit')::numeric
        end as unit_price,
        net,
        jsonb_build_object(
            'rule', price_model,
            'plan', plan_code,
            'plan_version', plan_version,
            'tiers', tiers,
            'rate_percent', rate_percent,
            'included_quantity', included_quantity,
            'billed', billed_count,
            'free', free_count,
            'meta_cost', meta_cost,
            'messages_digest', messages_digest
        ) as explanation
    from rated_lines

),

charged as (

    select * from base_fees
    union all
    select * from usage_lines

),

sums as (

    select
        tenant_id,
        period_start,
        plan_version_id,
        sum(net) as net
    from charged
    group by tenant_id, period_start, plan_version_id

),

minimums as (

    -- A minimum is a line of its own: what base fee and usage lack to the commitment of the days.
    select
        periods.tenant_id,
        periods.period_start,
        periods.plan_version_id,
        'minimum' as kind,
        null::text as category,
        null::text as price_market,
        'To the minimum commitment' as description,
        1::numeric as quantity,
        null::numeric as unit_price,
        {{ function('prorated_amount') }}(
            plan_versions.minimum_commitment, periods.days_used, periods.days_in_period,
            plan_versions.plan_currency
        ) - sums.net as net,
        jsonb_build_object(
            'rule', 'minimum commitment of the days used - base fee - usage',
            'plan', plan_versions.plan_code,
            'plan_version', plan_versions.plan_version,
            'minimum_commitment', plan_versions.minimum_commitment,
            'days_used', periods.days_used,
            'days_in_period', periods.days_in_period,
            'base_fee_and_usage', sums.net
        ) as explanation
    from periods
    inner join plan_versions on periods.plan_version_id = plan_versions.plan_version_id
    inner join sums
        on
            periods.tenant_id = sums.tenant_id
            and periods.period_start = sums.period_start
            and periods.plan_version_id = sums.plan_version_id
    where
        {{ function('prorated_amount') }}(
            plan_versions.minimum_commitment, periods.days_used, periods.days_in_period,
            plan_versions.plan_currency
        ) > sums.net

),

all_lines as (

    select * from charged
    union all
    select * from minimums

),

invoice_draft_lines as (

    select
        all_lines.tenant_id,
        all_lines.period_start,
        row_number() over (
            partition by all_lines.tenant_id, all_lines.period_start
            order by
                array_position(array['base_fee', 'usage', 'minimum'], all_lines.kind),
                all_lines.plan_version_id, all_lines.category, all_lines.price_market
        )::integer as line_no,
        all_lines.plan_version_id,
        all_lines.kind,
        all_lines.category,
        all_lines.price_market,
        all_lines.description,
        all_lines.quantity,
        all_lines.unit_price,
        plan_versions.plan_currency as currency,
        all_lines.net,
        {{ function('round_money') }}(
            all_lines.net * plan_versions.tax_percent / 100, plan_versions.plan_currency
        ) as tax,
        all_lines.explanation
        || jsonb_build_object('tax_percent', plan_versions.tax_percent) as explanation
    from all_lines
    inner join plan_versions on all_lines.plan_version_id = plan_versions.plan_version_id

)

select * from invoice_draft_lines
