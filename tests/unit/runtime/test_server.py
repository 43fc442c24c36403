"""What a service does between SIGTERM and its end, as a real process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

SERVICE = """
import asyncio, sys
from fastapi import FastAPI
from rowcast.runtime.application import equip
from rowcast.runtime.server import serve
from rowcast.runtime.settings import Settings

settings = Settings()
app = FastAPI()
equip(app, settings, "test")
release = asyncio.Event()

@app.post("/work")
async def work() -> str:
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), release.set)
    print("working", file=sys.stderr, flush=True)
    await release.wait()
    return "done"

serve(app, settings)
"""


class Service:
    def __init__(self, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVICE],
            env={"ROWCAST_HTTP_PORT": str(self.port), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False)
        self.answers: list[httpx.Response] = []
        while not self.serves():
            assert self.process.poll() is None

    def serves(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def ready(self) -> int:
        return self.http.get("/readyz").status_code

    def work(self) -> threading.Thread:
        """A request that is in flight when this returns, until `release`."""

        def ask() -> None:
            self.answers.append(httpx.post(f"http://127.0.0.1:{self.port}/work", timeout=30, trust_env=False))

        thread = threading.Thread(target=ask)
        thread.start()
        assert self.process.stderr is not None
        assert self.process.stderr.readline() == "working\n"
        return thread

    def release(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self) -> tuple[int, str]:
        (answer,) = self.answers
        return answer.status_code, answer.json()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        return self.process.wait(timeout=30)


@pytest.fixture
def start() -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def begin(**environment: str) -> Service:
        services.append(Service(**environment))
        return services[-1]

    yield begin
    for service in services:
        service.http.close()
        service.process.kill()
        service.process.communicate()


def test_it_says_that_it_is_not_ready_first_and_serves_on_while_it_drains(start: Callable[..., Service]) -> None:
    service = start(ROWCAST_DRAIN_SECONDS="30")
    working = service.work()

    service.stop()

    while service.ready() == 200:
        pass
    assert service.http.get("/readyz").json()["failures"] == {"process": "is ending"}
    assert service.http.get("/healthz").status_code == 200
    assert accepts(service.port)
    service.release()
    working.join()
    assert service.answer() == (200, "done")
    service.stop()  # a second signal: no more draining
    service.ended()


def test_what_is_in_flight_ends_and_nothing_new_begins(start: Callable[..., Service]) -> None:
    service = start()
    working = service.work()

    service.stop()

    while accepts(service.port):
        assert working.is_alive()
    service.release()
    working.join()
    assert (service.answer(), service.ended()) == ((200, "done"), 0)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_what_takes_too_long_is_cut_off_as_a_failure(start: Callable[..., Service]) -> None:
    service = start(ROWCAST_SHUTDOWN_SECONDS="1")
    working = service.work()

    service.stop()
    working.join()

    assert service.ended() == 0
    assert service.answers[0].status_code == 500, "the sidecar delivers it again"


def test_an_idle_service_ends_at_once_with_code_0(start: Callable[..., Service]) -> None:
    service = start()

    service.stop()

    assert service.ended() == 0
