"""Adapters of the `Target` port: the Kubernetes API, a Git repository, and the in-memory fake."""
