"""A dataset of one tenant to a file with a manifest: whole or not at all, and reproducible."""
