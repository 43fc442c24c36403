"""`rowcast sync …`."""

from __future__ import annotations

import typer

app = typer.Typer(help="Deliver rows to a target.", no_args_is_help=True, add_completion=False)


@app.callback()
def main() -> None:
    """Deliver rows to a target."""


@app.command()
def serve() -> None:
    """Serve one sync instance; settings come from the environment (ROWCAST_TARGET, …)."""
    from rowcast.runtime.logging import configure_logging
    from rowcast.runtime.server import serve as serve_app
    from rowcast.sync.app import create_app
    from rowcast.sync.settings import SyncSettings

    settings = SyncSettings.load()
    configure_logging(f"sync-{settings.target}", settings.log_format, settings.log_level)
    serve_app(create_app(settings), settings)
