"""The targets, as their own sync instances tell of them."""
