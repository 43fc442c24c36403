"""What a target could not take: keeping it, and replaying or discarding it."""
