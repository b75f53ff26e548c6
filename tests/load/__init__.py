"""Benchmarks: one module each, run by `make bench`; no pytest, no assertion, only figures."""
