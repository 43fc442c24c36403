"""A page in a browser can't use a service on the loopback, whatever name it makes lead there."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from rowcast.runtime.application import equip
from rowcast.runtime.loopback import is_loopback
from rowcast.runtime.settings import Settings


def status(headers: dict[str, str], address: str = "127.0.0.1") -> int:
    app = FastAPI()
    equip(app, Settings(http_host=address), "rowcast-test")

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get("/healthz", headers=headers)

    return asyncio.run(ask()).status_code


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "EVIL.example.", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_name_in_a_domain_is_refused_on_the_loopback_and_nowhere_else(host: str) -> None:
    assert status({"host": host}) == 421
    assert status({"host": host}, "::1") == 421
    assert status({"host": host}, "0.0.0.0") == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "crud", "a.localhost:1", "192.0.2.1", "", "[", "::::"]
)
def test_addresses_and_names_without_a_domain_are_answered(host: str) -> None:
    assert status({"host": host}) == 200


@pytest.mark.parametrize("origin", ["http://evil.example:3500", "https://evil.example", "null", "", "http://[", "x"])
def test_a_page_of_another_site_is_refused_through_a_sidecar_too(origin: str) -> None:
    assert status({"host": "127.0.0.1:8080", "origin": origin}) == 403


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "http://localhost:8501", "http://[::1]:1"])
def test_a_page_of_this_machine_is_answered(origin: str) -> None:
    assert status({"host": "127.0.0.1:8080", "origin": origin}) == 200


def test_the_loopback_is_known_by_its_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "crud", "")))
