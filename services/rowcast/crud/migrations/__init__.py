"""The database's schema, in versions, and what runs them."""
