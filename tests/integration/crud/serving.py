"""crud behind a real server, as the tests reach it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI

from rowcast.crud.app import Publisher, create_app
from rowcast.crud.settings import CrudSettings


def make_settings(database_url: str, **other: object) -> CrudSettings:
    """Without a limit of requests: tests make more than people."""
    given = {"database_url": database_url, "log_format": "console", "requests_per_second": 0, **other}
    return CrudSettings.model_validate(given)


@contextmanager
def serving(settings: CrudSettings, publisher: Publisher | None = None) -> Iterator[httpx.Client]:
    """crud behind a real server on a free port; the client that reaches it."""
    with serving_app(create_app(settings, publisher)) as client:
        yield client


@contextmanager
def serving_app(app: FastAPI) -> Iterator[httpx.Client]:
    """An application behind a real server on a free port; the client that reaches it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who comes before the server is ready waits
        config = uvicorn.Config(app, log_config=None, http="httptools", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
