"""Who is left alone, by whose word."""
