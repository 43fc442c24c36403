"""The bare repository over HTTP, with a login that can be changed while it runs."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.serving import serving
from rowcast_local.git_http import USER, application

__all__ = ["USER", "GitServer"]


class GitServer:
    """Serves the repositories of a folder to whoever knows `password`."""

    def __init__(self, folder: Path, port: int, password: str, certificate: ssl.SSLContext | None = None) -> None:
        self._folder = folder
        self._port = port
        self._certificate = certificate
        self.password = password

    @contextmanager
    def running(self) -> Iterator[GitServer]:
        """Serve in a thread."""
        app = application(self._folder, lambda: self.password)
        with serving(app, self._port, "the Git server", self._certificate):
            yield self
