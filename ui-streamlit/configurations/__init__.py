"""Configurations: the list, one row with its delivery, its form and what the form refuses."""
