"""What can go wrong with Connect, by what is to be done about it."""

from rowcast.core.errors import RowcastError


class ConnectorError(RowcastError):
    """Applying the connector has ended without success; the text says why."""


class ConnectNotReadyError(ConnectorError):
    """Connect, or the database that it validates against, can't answer now. Trying again helps."""


class ConnectRefusedError(ConnectorError):
    """Connect has judged the request wrong. Trying again does not help."""
