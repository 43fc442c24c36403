"""Declarations of how rows of a table become resources: the room Renderers."""
