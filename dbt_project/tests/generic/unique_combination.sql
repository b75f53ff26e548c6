{% test unique_combination(model, columns) %}
    {# The grain: no two rows agree in all these columns; nulls count as equal. #}
    select
        {{ columns | join(', ') }},
        count(*) as copies
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
