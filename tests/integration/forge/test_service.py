"""The whole service in pull request mode: events in, statuses out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gitea_server import GiteaRepository
from rowcast.sync.app import create_app
from rowcast.sync.settings import SyncSettings
from unit.core.changes import event
from unit.sync.test_reconciler import FakeTable

from .review import Review, path_of, until

pytestmark = pytest.mark.anyio
BULK = "/events/rows/bulk"


class Service:
    """One instance, and what it published."""

    def __init__(self, http: httpx.AsyncClient, published: list[tuple[str, Any]]) -> None:
        self._http = http
        self._published = published

    async def deliver(self, *events: Any) -> None:
        """Hand a batch over, as the sidecar does, until all of it is taken."""
        entries = [{"entryId": str(number), "event": one} for number, one in enumerate(events)]
        answer = await self._http.post(BULK, json={"entries": entries})
        assert answer.is_success, answer.text

    async def reconcile(self) -> None:
        """Have the table compared, and wait for the end."""
        assert (await self._http.post("/reconcile", json={})).is_success

    def statuses(self) -> list[dict[str, Any]]:
        """Everything that was said of rows."""
        return [status for topic, data in self._published if topic.endswith("status") for status in data["statuses"]]


@asynccontextmanager
async def service(review: Review, table: FakeTable, cache: Path) -> AsyncIterator[Service]:
    published: list[tuple[str, Any]] = []

    class Publisher:
        async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
            published.append((topic, data))

    repository = review.repository
    password = cache.with_name("git-password")
    password.write_text(repository.server.password)
    settings = SyncSettings.model_validate(
        {
            "target": "git",
            "git_url": f"{repository.server.url}/{repository.owner}/{repository.name}.git",
            "git_username": "rowcast",
            "git_password_file": password,
            "git_cache": cache,
            "git_mode": "pull-request",
            "git_forge": "gitea",
            "git_forge_url": f"{repository.server.url}/api/v1",
            "git_forge_token_file": review.token_file,
            "git_poll_seconds": 0.2,
            "reconcile_seconds": 0,
        }
    )
    app = create_app(settings, publisher=Publisher(), table=table)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://sync", timeout=60) as http,
    ):
        while (await http.get("/readyz")).status_code != 200:
            pass
        yield Service(http, published)


async def test_a_status_says_proposed_with_the_link_and_later_that_it_is_committed(
    review: Review, repository: GiteaRepository, tmp_path: Path
) -> None:
    table = FakeTable()
    table.save(1, 1, "a")
    async with service(review, table, tmp_path / "cache") as running:
        await running.deliver(event(name="a"))
        (pull,) = repository.pulls()
        (status,) = running.statuses()
        assert (status["outcome"], status["stage"], status["link"]) == ("created", "proposed", pull["html_url"])

        repository.merge(pull["number"])
        await until(lambda: len(running.statuses()) > 1, running.statuses)
        status = running.statuses()[1]
        assert (int(status["key"]), status["generation"], status["outcome"]) == (1, 1, "created")
        assert (status["stage"], status["error"], status["reference"]) == (None, None, repository.tip())


async def test_what_a_reconcile_finds_is_proposed(review: Review, repository: GiteaRepository, tmp_path: Path) -> None:
    table = FakeTable()
    table.save(1, 1, "a")
    async with service(review, table, tmp_path / "cache") as running:
        await running.reconcile()
        await until(lambda: bool(running.statuses()))

        (status,) = running.statuses()
        assert (status["cause"], status["stage"]) == ("reconcile", "proposed")
        assert status["link"] == repository.pulls()[0]["html_url"]


async def test_an_edit_on_the_branch_is_proposed_back(
    review: Review, repository: GiteaRepository, tmp_path: Path
) -> None:
    table = FakeTable()
    table.save(1, 1, "a")
    async with service(review, table, tmp_path / "cache") as running:
        await running.deliver(event(name="a"))
        repository.merge(repository.pulls()[0]["number"])
        await until(lambda: len(running.statuses()) > 1, running.statuses)
        content = repository.file(path_of("a")) or ""
        review.push("main", path_of("a"), content.replace("branch: main", "branch: mine"))

        await until(lambda: len(running.statuses()) > 2, running.statuses)
        status = running.statuses()[2]
        assert (status["outcome"], status["stage"], status["cause"]) == ("configured", "proposed", "reconcile")
        repository.merge(repository.pulls()[0]["number"])
        assert repository.file(path_of("a")) == content
