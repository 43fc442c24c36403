"""Capture by Rowcast's own engine, asked through the sidecars; and which of the two ways crud is told to ask."""

from rowcast.core.capture import Capture, EngineFacts, read_engine_facts
from rowcast.core.errors import TransientError
from rowcast.crud.pipeline.connect import ConnectCapture
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.dapr import DaprPublisher

APP_ID = "capture"


class EngineCapture:
    """`rowcast capture`. The port `Capture`."""

    def __init__(self, sidecar: DaprPublisher) -> None:
        self._sidecar = sidecar

    async def aclose(self) -> None:
        """Nothing: the sidecar is its owner's to close."""

    async def facts(self) -> EngineFacts:
        """Ask it. Raises TransientError when it doesn't answer, or not sensibly."""
        try:
            return read_engine_facts(await self._sidecar.invoke(APP_ID, "/facts"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TransientError(f"an answer that isn't capture's: {error!r}") from error


def capture_port(settings: CrudSettings, sidecar: DaprPublisher, time_limit: float) -> Capture | None:
    """Whom to ask of capture; None where crud has not been told where Connect is. `time_limit` in seconds."""
    if settings.capture == "engine":
        return EngineCapture(sidecar)
    if settings.connect_url is None:
        return None
    return ConnectCapture(settings.connect_url, settings.connect_login, settings.connector_name, time_limit)
