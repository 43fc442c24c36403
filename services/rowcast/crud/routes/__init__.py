"""One module per group of endpoints; each only translates between HTTP and the use cases."""
