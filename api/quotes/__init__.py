"""Quotes: what messages would cost."""
