"""A cluster of one real node for tests, with Dapr's control plane: made in namespaces of its own, removed whole."""
