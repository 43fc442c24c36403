"""Which target an environment's rows go to, and how a row moves from one to another."""
