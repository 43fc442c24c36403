"""A batch of events on its way to the target: decoded, checked against the table, delivered, settled."""
