"""What several routes need from a request."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from anyio import from_thread
from fastapi import Depends, Header, Path, Request
from sqlalchemy import Engine

from rowcast.crud.access.pool_shares import Shares
from rowcast.crud.dead_letters.actions import Publish
from rowcast.crud.fields import MAX_ID, Decimal
from rowcast.crud.pipeline.gathering import Gathering
from rowcast.crud.routes.admission import COMMENT_HEADER, MOST_COMMENT, USER_HEADER, VERIFIED_HEADER, Asking
from rowcast.crud.settings import CrudSettings
from rowcast.crud.targets.instances import Instances
from rowcast.runtime.methods import combined


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _settings(request: Request) -> CrudSettings:
    settings: CrudSettings = request.app.state.settings
    return settings


def _gathering(request: Request) -> Gathering:
    gathering: Gathering = request.app.state.gathering
    return gathering


def _shares(request: Request) -> Shares:
    shares: Shares = request.app.state.shares
    return shares


def _instances(request: Request) -> Instances:
    instances: Instances = request.app.state.instances
    return instances


def _publish(request: Request) -> Publish:
    publisher, settings = request.app.state.publisher, _settings(request)

    def publish(target: str, event: Any, metadata: dict[str, str]) -> None:
        # Routes run in threads of their own; the connections to the sidecar belong to the loop.
        from_thread.run(publisher.publish, settings.replay_topic(target), event, metadata)

    return publish


def _person(
    asking: Asking,
    _given: Annotated[
        str | None, Header(alias=USER_HEADER, description="Who makes the change.", examples=["ada"])
    ] = None,
    _verified: Annotated[
        Literal["true", "false"],
        Header(alias=VERIFIED_HEADER, description="Whether a login vouches for who makes the change."),
    ] = "false",
    _comment: Annotated[
        str | None,
        Header(alias=COMMENT_HEADER, max_length=MOST_COMMENT, description="Why, for who has to approve the change."),
    ] = None,
) -> str:
    """What changes are recorded as; the headers are read where it is found out who asks."""
    return asking.actor


def _if_match(
    request: Request,
    _described: Annotated[
        str | None,
        Header(alias="If-Match", description="The ETag that the caller saw; another one gets 412.", examples=['"7"']),
    ] = None,
) -> str | None:
    return combined(request, "if-match")


def _if_none_match(
    request: Request,
    _described: Annotated[
        str | None, Header(alias="If-None-Match", description="The ETag that the caller has already.")
    ] = None,
) -> str | None:
    return combined(request, "if-none-match")


async def _actor(
    person: Annotated[str, Depends(_person)], shares: Annotated[Shares, Depends(_shares)]
) -> AsyncIterator[str]:
    async with shares.changes.turn():
        yield person


Database = Annotated[Engine, Depends(_engine)]
Settings = Annotated[CrudSettings, Depends(_settings)]
Pipeline = Annotated[Gathering, Depends(_gathering)]
PoolShares = Annotated[Shares, Depends(_shares)]
Asked = Annotated[Instances, Depends(_instances)]
Broker = Annotated[Publish, Depends(_publish)]
Person = Annotated[str, Depends(_person)]
Actor = Annotated[str, Depends(_actor, scope="function")]
"""Who makes a change; it has its turn among the changes until the route ends."""
RowId = Annotated[int, Decimal, Path(ge=1, le=MAX_ID, description="The row's id, never reused.")]
IfMatch = Annotated[str | None, Depends(_if_match)]
IfNoneMatch = Annotated[str | None, Depends(_if_none_match)]
