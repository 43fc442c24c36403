"""The one kind of error that a command shows as a line instead of a traceback."""


class LocalError(Exception):
    """Something about this machine or this platform is not as it must be; the text says what, and what to do."""
