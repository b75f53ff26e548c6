"""What was wrong in a plan, person by person."""
