"""Many configurations at once: changes of the rows that are ticked, and their export."""
