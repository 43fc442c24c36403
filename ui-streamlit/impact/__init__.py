"""What a declaration would do to all rows of a renderer, before it does."""
