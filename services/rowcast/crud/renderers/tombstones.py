"""Tombstones of rows of any table, which go once nothing can come back of what they stand for."""

from rowcast.crud.database.pruning import Pruning

# As many events wait in the log until a transaction ends.
TOMBSTONES = Pruning("tombstones", "rowcast.prune_tombstones", batch=500, pause=600.0)
"""The oldest of those that every target has confirmed."""
