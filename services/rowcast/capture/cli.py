"""The commands `rowcast capture …`."""

from __future__ import annotations

from typing import Annotated

import httpx
import typer

from rowcast.core.errors import RowcastError, TransientError
from rowcast.runtime.exits import told

app = typer.Typer(no_args_is_help=True, add_completion=False)
_SECONDS = 10.0

Url = Annotated[
    str, typer.Option("--url", envvar="ROWCAST_CAPTURE_URL", help="Where the running capture is.", show_default=True)
]


@app.callback()
def main() -> None:
    """Capture changes without Kafka Connect."""


@app.command()
def serve() -> None:
    """Serve until SIGTERM; settings come from the environment (ROWCAST_CAPTURE_DB_HOST, …)."""
    from rowcast.capture.app import create_app
    from rowcast.capture.settings import CaptureSettings
    from rowcast.runtime.logging import configure_logging
    from rowcast.runtime.server import serve as serve_app

    settings = CaptureSettings.load()
    configure_logging("capture", settings.log_format, settings.log_level)
    serve_app(create_app(settings, _broker(settings)), settings)


def _broker(settings: "CaptureSettings") -> None:  # type: ignore[name-defined]  # noqa: F821, UP037
    return None
