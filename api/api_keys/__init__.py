"""Keys of programs: made, rotated, changed, revoked; never with more than their maker has."""
