"""Great Expectations at the two edges dbt does not see: what comes in, what goes out."""
