"""The table of configurations: reading it, changing it, and its rows as files."""
