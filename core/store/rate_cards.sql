-- find_file --
-- The file a digest was imported from before, if there is one.
select file_id, name, rows, imported_at
from billing.rate_card_files
where sha256 = %(sha256)s

-- insert_file --
-- Remembers an imported file by its digest: the same bytes are never imported twice.
insert into billing.rate_card_files (file_id, name, sha256, rows)
values (%(file_id)s, %(name)s, %(sha256)s, %(rows)s)

-- create_incoming --
-- A place for the rows of one file, gone with the transaction.
create temporary table incoming_rates (
    rate_id uuid not null,
    market text not null,
    currency text not null,
    category text not null,
    tier_from bigint not null,
    tier_to bigint,
    rate numeric(18, 12) not null,
    effective_from date not null,
    source text not null
) on commit drop

-- copy_incoming --
-- Takes the rows of one file.
copy incoming_rates (
    rate_id, market, currency, category, tier_from, tier_to, rate, effective_from, source
) from stdin

-- find_contradictions --
-- Rows that say something else than a rate we already hold for the same market, tier and date.
select i.market, i.currency, i.category, i.tier_from, i.effective_from, r.rate, i.rate as new_rate
from incoming_rates as i
inner join billing.meta_rates as r
    on i.market = r.market
    and i.currency = r.currency
    and i.category = r.category
    and i.tier_from = r.tier_from
    and i.effective_from = lower(r.valid)
where i.rate <> r.rate or i.tier_to is distinct from r.tier_to
order by i.market, i.currency, i.category, i.tier_from

-- close_superseded --
-- Ends every known rate on the day before the next card of its market, currency, category begins.
update billing.meta_rates as r
set valid = daterange(lower(r.valid), following.effective_from)
from (
    select known.rate_id, min(i.effective_from) as effective_from
    from billing.meta_rates as known
    inner join incoming_rates as i
        on known.market = i.market
        and known.currency = i.currency
        and known.category = i.category
        and lower(known.valid) < i.effective_from
    group by known.rate_id
) as following
where r.rate_id = following.rate_id
    and (upper_inf(r.valid) or following.effective_from < upper(r.valid))

-- insert_rates --
-- Adds the new rates; each is valid until the next card of its market, currency and category.
insert into billing.meta_rates (
    rate_id, file_id, market, currency, category, tier_from, tier_to, rate, valid, source
)
select
    i.rate_id,
    %(file_id)s,
    i.market,
    i.currency,
    i.category,
    i.tier_from,
    i.tier_to,
    i.rate,
    daterange(
        i.effective_from,
        (
            select min(later.effective_from)
            from (
                select j.effective_from
                from incoming_rates as j
                where j.market = i.market
                    and j.currency = i.currency
                    and j.category = i.category
                union all
                select lower(r.valid) as effective_from
                from billing.meta_rates as r
                where r.market = i.market
                    and r.currency = i.currency
                    and r.category = i.category
            ) as later
            where later.effective_from > i.effective_from
        )
    ) as valid,
    i.source
from incoming_rates as i
where not exists (
    select 1
    from billing.meta_rates as r
    where r.market = i.market
        and r.currency = i.currency
        and r.category = i.category
        and r.tier_from = i.tier_from
        and lower(r.valid) = i.effective_from
)

-- insert_market --
-- One row of Meta's calling-code list; a row that is already there stays as it is.
insert into billing.market_map (calling_prefix, iso, market, valid, source)
select
    %(calling_prefix)s,
    %(iso)s,
    %(market)s,
    daterange(%(valid_from)s::date, %(valid_to)s::date),
    %(source)s
where not exists (
    select 1
    from billing.market_map as known
    where known.calling_prefix = %(calling_prefix)s
        and known.iso = %(iso)s
        and known.market = %(market)s
        and known.valid = daterange(%(valid_from)s::date, %(valid_to)s::date)
)

-- insert_policy --
-- One dated rule of what Meta charges; a row that is already there stays as it is.
insert into billing.meta_policies (
    policy_id, category, pricing_type, charged, rate_category, free_quota_per_number_month, valid,
    source
)
values (
    %(policy_id)s, %(category)s, %(pricing_type)s, %(charged)s, %(rate_category)s,
    %(free_quota_per_number_month)s, daterange(%(valid_from)s::date, %(valid_to)s::date),
    %(source)s
)
on conflict (policy_id) do nothing

-- list_files --
-- Every imported file, newest first.
select name, sha256, rows, imported_at
from billing.rate_card_files
order by imported_at desc, name

-- list_rates --
-- The rates of a day, optionally of one market or currency; list rates are those of tier 1.
select market, currency, category, tier_from, tier_to, rate, lower(valid) as valid_from, source
from billing.meta_rates
where valid @> %(on_date)s::date
    and (%(market)s::text is null or market = %(market)s)
    and (%(currency)s::text is null or currency = %(currency)s)
order by market, currency, category, tier_from
