"""The planner: an audience becomes one row a person, and a plan that people can approve."""
