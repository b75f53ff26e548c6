"""A dataset of one tenant to a file with a manifest: whole or not at all, the same bytes each time."""
