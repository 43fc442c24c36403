"""Declarations: reading them, checking them, and rendering rows by them."""
