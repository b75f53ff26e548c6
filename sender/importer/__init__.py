"""Works off contact files."""
