"""What can go wrong in a way that is no bug of ours."""

from rowcast_local.errors import LocalError


class ReleaseError(LocalError):
    """Nothing may be published, or a step of publishing has failed; the text says why, and what to do."""
