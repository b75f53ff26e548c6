"""People, lists of people, and the imports that bring them in."""
