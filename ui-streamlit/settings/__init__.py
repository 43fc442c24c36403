"""The person, the services' settings, and where to read more."""
