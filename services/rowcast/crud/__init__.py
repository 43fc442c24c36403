"""The API that owns the table of configurations, and keeps what became of each row."""
