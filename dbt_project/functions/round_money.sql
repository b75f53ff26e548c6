-- round(numeric) of PostgreSQL goes half away from zero, which is the rule of every invoice line.
select round(amount, {{ function('currency_scale') }}(currency))
