"""What can go wrong in a way that is no bug of ours."""

from rowcast_local.errors import LocalError


class ImagesError(LocalError):
    """An image cannot be made; the text says which, why, and what to do."""
