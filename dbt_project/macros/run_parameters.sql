{# Parameters of a run come as session settings (PGOPTIONS), not as --vars: the SQL and the parsed
   project stay the same from run to run. PostgreSQL itself refuses a run that did not set them. #}
{% macro run_as_of() -%}
    current_setting('carteiro.as_of')::timestamptz
{%- endmacro %}
