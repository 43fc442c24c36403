"""A revision's way to all rows of a renderer, step by step."""
