"""Renderers: their revisions, the rows that are captured for them, and what becomes of these."""
