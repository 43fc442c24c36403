"""Looks at the pipeline again and again, for all sessions of this server: what it saw is there at once for each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from client.errors import RefusedError, UnavailableError
from pipeline.models import Pipeline
from pipeline.view import measures

PERIOD_SECONDS: Final = 3.0
REFUSED_SECONDS: Final = 60.0
"""Where a policy lets nobody see it but who is known, the sessions look for themselves."""
KEPT: Final = 100
"""Five minutes."""


@dataclass(frozen=True)
class Sample:
    """The figures of one look, by `station.figure`."""

    at: datetime
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """What was last seen, why the last look failed if it did, and the figures of the last minutes, oldest first."""

    pipeline: Pipeline | None = None
    trouble: str | None = None
    samples: tuple[Sample, ...] = ()


class PipelinePoller:
    """`ask` is asked from a thread of its own once it is started; until then, whoever wants to see looks."""

    def __init__(self, ask: Callable[[], Pipeline]) -> None:
        self._ask = ask
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._pipeline: Pipeline | None = None
        self._trouble: str | None = None
        self._refused = False
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Look every PERIOD_SECONDS from now on, until `stop` or the end of the process."""
        self._thread = threading.Thread(target=self._go_on, name="pipeline-poller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self) -> Seen:
        """Ask now, and return what is known then."""
        try:
            found = self._ask()
        except (UnavailableError, RefusedError) as error:
            self._trouble, self._refused = str(error), isinstance(error, RefusedError)
            if self._refused:
                # What one may not see any more is not shown as last seen either.
                self._pipeline = None
        else:
            self._trouble, self._refused, self._pipeline = None, False, found
            self._samples.append(Sample(found.checked_at, measures(found)))
        return self._seen()

    def seen(self) -> Seen:
        """Return what is known, without waiting where the poller goes by itself."""
        return self._seen() if self._thread else self.look()

    def _seen(self) -> Seen:
        return Seen(self._pipeline, self._trouble, tuple(self._samples))

    def _go_on(self) -> None:
        while not self._ended.is_set():
            self.look()
            self._ended.wait(REFUSED_SECONDS if self._refused else PERIOD_SECONDS)
