{# The first day of a date's month. #}
{% macro month_of(day) -%}
    date_trunc('month', {{ day }})::date
{%- endmacro %}

{# Whether a half-open validity (null: for ever) covers a day. #}
{% macro is_valid_on(relation, day) -%}
    {{ relation }}.valid_from <= {{ day }}
    and ({{ relation }}.valid_to is null or {{ day }} < {{ relation }}.valid_to)
{%- endmacro %}
