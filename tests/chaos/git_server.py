"""The bare repository over HTTP, by git's own `http-backend`, with a login that can be changed while it runs."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from chaos.serving import serving

USER = "rowcast"


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
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        with serving(app, self._port, "the Git server", self._certificate):
            yield self

    async def _answer(self, request: web.Request) -> web.Response:
        login = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {login}":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        body = await request.read()
        process = await asyncio.create_subprocess_exec(
            "git",
            "-c",
            "safe.directory=*",
            "http-backend",
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, **self._cgi(request, len(body))},
        )
        out, _ = await process.communicate(body)
        head, _, content = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=content)

    def _cgi(self, request: web.Request, length: int) -> dict[str, str]:
        variables = {
            "GIT_PROJECT_ROOT": str(self._folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": USER,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(length),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        }
        if encoding := request.headers.get("content-encoding"):
            variables["HTTP_CONTENT_ENCODING"] = encoding
        return variables
