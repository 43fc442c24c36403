"""The whole table against all that a target holds."""
