"""The rows of any table that a declaration names: the room Rows."""
