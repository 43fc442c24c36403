"""The error of this package."""

from rowcast_local.errors import LocalError


class ClusterError(LocalError):
    """The cluster can't be had, or isn't as it should be for what was asked; the text says what to do."""
