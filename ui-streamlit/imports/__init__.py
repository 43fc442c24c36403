"""Configurations from a file: read, previewed, done."""
