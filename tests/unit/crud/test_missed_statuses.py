"""A target says that its statuses do not come: crud ends a sidecar that holds them back, with RabbitMQ."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from pydantic import SecretStr

from rowcast.crud.app import create_app
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.stuck_sidecar import StuckSidecar


def answers(ended: list[str], **settings: Any) -> list[Any]:
    """To two targets' word, one after the other; `ended` is what was ended."""

    async def end() -> None:
        ended.append("crud-dapr")

    app = create_app(CrudSettings(database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"), **settings))
    if app.state.stuck is not None:
        app.state.stuck = StuckSidecar(end)
    client = TestClient(app)
    return [client.post("/statuses:missed").json() for _ in range(2)]


def test_with_rabbitmq_its_sidecar_is_ended_once_for_both() -> None:
    ended: list[str] = []

    assert answers(ended, broker="rabbitmq", capture="engine") == [{"ended": True}, {"ended": False}]
    assert ended == ["crud-dapr"]


def test_with_another_broker_nothing_is_held_back() -> None:
    ended: list[str] = []

    assert answers(ended) == [{"ended": False}] * 2
    assert ended == []
