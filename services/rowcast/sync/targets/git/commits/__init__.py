"""What a commit changes, and what its message says of it."""
