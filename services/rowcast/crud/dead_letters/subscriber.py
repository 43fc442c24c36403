"""Subscribes to what sync could not deliver, through the sidecar."""

from dapr.ext.fastapi import DaprApp
from fastapi import Request
from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from rowcast.core.broker import SUBSCRIPTION_METADATA
from rowcast.crud.database.connections import changing
from rowcast.crud.dead_letters import message
from rowcast.crud.subscriptions.cloud_events import DROP, SUCCESS, event_data, summary
from rowcast.runtime.logging import get_logger
from rowcast.runtime.problems import EVENTS_PREFIX

ROUTE = f"{EVENTS_PREFIX}dead-letters"


class DeadLetterSubscriber:
    """Keeps dead letters. Only what is none is dropped, into the log; trouble with the database gets 503: retried."""

    def __init__(self, engine: Engine, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._log = get_logger("rowcast.crud.dead_letters")
        self._received = Counter(
            "rowcast_dead_letters_received",
            "Dead letters that were kept; the renderer is empty where no row is known.",
            ["target", "renderer", "reason"],
            registry=registry,
        )
        self._malformed = Counter(
            "rowcast_dead_letters_malformed", "Messages that are no dead letters.", registry=registry
        )

    def subscribe(self, dapr: DaprApp, pubsub: str, topic: str) -> None:
        """Registers the route, and with what the sidecar asks for."""

        async def receive_dead_letter(request: Request) -> dict[str, str]:
            return await self.receive(await request.body())

        dapr.subscribe(pubsub=pubsub, topic=topic, metadata=SUBSCRIPTION_METADATA, route=ROUTE)(receive_dead_letter)

    async def receive(self, body: bytes) -> dict[str, str]:
        """Takes a CloudEvent; the answer is for the sidecar. Raises TransientError if the database is in trouble."""
        try:
            letter = message.DeadLetter.model_validate(event_data(body))
        except (ValueError, ValidationError) as error:
            reason = summary(error) if isinstance(error, ValidationError) else str(error)
            self._malformed.inc()
            # The whole of it: this line is the last place where it can be found.
            self._log.error("dropped: it is no dead letter", reason=reason, message=body.decode(errors="replace"))
            return DROP
        letter_id = await run_in_threadpool(self._save, letter)
        if letter_id is None:
            self._log.debug("dead letter known already", target=letter.target, renderer=letter.renderer, key=letter.key)
            return SUCCESS
        self._received.labels(letter.target, letter.renderer or "", letter.reason).inc()
        row = {"renderer": letter.renderer, "key": letter.key}
        self._log.warning("dead letter kept", id=letter_id, target=letter.target, reason=letter.reason, **row)
        return SUCCESS

    def _save(self, letter: message.DeadLetter) -> int | None:
        with changing(self._engine) as connection:
            return message.save(connection, letter)
