"""Upkeep of the live database's partitions."""
