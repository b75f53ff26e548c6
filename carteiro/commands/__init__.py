"""Operator commands, one module for each noun."""
