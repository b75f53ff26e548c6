-- Days used over days of the period as one fraction; a ratio rounded before would lose cents.
select {{ function('round_money') }}(amount * days_used / days_in_period, currency)
