"""PostgreSQL, as every room uses it: connections, transactions and the tables."""
