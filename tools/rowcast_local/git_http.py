"""Repositories over HTTP, by git's own `http-backend`, to whoever has the password."""

import argparse
import asyncio
import base64
import hmac
import os
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from rowcast_local.ports import HOST

USER = "rowcast"
LARGEST_PUSH = 64 * 2**20


def application(folder: Path, password: Callable[[], str]) -> web.Application:
    """Serves the repositories of `folder`, for reading and writing; `password` is asked at each request."""

    async def answer(request: web.Request) -> web.Response:
        login = base64.b64encode(f"{USER}:{password()}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Basic {login}".encode()):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        return await _backend(folder, request)

    app = web.Application(client_max_size=LARGEST_PUSH)
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def _backend(folder: Path, request: web.Request) -> web.Response:
    body = await request.read()
    process = await asyncio.create_subprocess_exec(
        *("git", "-c", "safe.directory=*", "http-backend"),
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, **_cgi(folder, request, len(body))},
    )
    out, _ = await process.communicate(body)
    head, _, content = out.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return web.Response(status=status, headers=headers, body=content)


def _cgi(folder: Path, request: web.Request, length: int) -> dict[str, str]:
    variables = {
        "GIT_PROJECT_ROOT": str(folder),
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


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m rowcast_local.git_http", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the repositories are")
    parser.add_argument("--port", type=int, required=True, help="on the loopback")
    parser.add_argument("--password-file", type=Path, required=True, help=f"{USER}'s password; may change")
    options = parser.parse_args()
    app = application(options.folder, lambda: options.password_file.read_text().strip())
    web.run_app(app, host=HOST, port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
