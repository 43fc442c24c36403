"""Activity: who changed which configuration, and what became of it."""
