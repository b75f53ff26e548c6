"""Quiet hours: when nobody of a country is written to."""
