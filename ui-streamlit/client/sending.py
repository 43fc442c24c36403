"""What the pages' calls of crud stand on: one way to send, which api_client.CrudClient has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Params = Mapping[str, str | Sequence[str]]
"""What a query says; a parameter may be there several times."""


COMMENT: ContextVar[str] = ContextVar("comment", default="")
"""Why what is sent now is to be done."""


@contextmanager
def commented(text: str) -> Iterator[None]:
    """Send a comment with each change of the block; an empty one is none."""
    token = COMMENT.set(text)
    try:
        yield
    finally:
        COMMENT.reset(token)


class Sending:
    """Sends on behalf of one person. Every call may raise UnavailableError or RefusedError."""

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        generation: int | None = None,
        seconds: float | None = None,
        token: str | None = None,
    ) -> Any:
        """Return the answer's content. `seconds`: how long it may take, where that is longer than for a page.

        `token`: shown as the person's own in place of the one that is known of them; an empty one means none.
        """
        raise NotImplementedError

    def _download(self, path: str, params: Params) -> bytes:
        raise NotImplementedError


def stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those members of a body that say something."""
    return {name: value for name, value in values.items() if value is not None}


def given(**params: object) -> dict[str, str]:
    """Return those parameters that say something, as the query has them."""
    return {name: str(value) for name, value in params.items() if value not in (None, "")}
