"""Endpoints of the configurations, one module per group."""
