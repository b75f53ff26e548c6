"""The warehouse: the lake's days and the live tables' snapshots, side by side for dbt."""
