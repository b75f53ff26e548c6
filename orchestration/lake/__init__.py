"""The lake: every event of the live path as Parquet, by ingest day, without personal data."""
