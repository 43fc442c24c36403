"""Who asks, how many may at the same time, and what the database's roles may do."""
