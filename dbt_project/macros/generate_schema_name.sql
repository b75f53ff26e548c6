{# A layer's schema has the layer's name, in every environment: the database says which one it is. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
