"""Renderers and the rows of their tables: what there is, what it would become, and changing it."""
