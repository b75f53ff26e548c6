"""Pure rules: no file, socket, database or clock is touched in this package."""
