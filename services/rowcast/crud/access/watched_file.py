"""A file of who may do what: looked at when it is asked for, used whole or not at all."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from rowcast.core.errors import RowcastError
from rowcast.runtime.logging import get_logger

LOOK_SECONDS = 1.0
"""How often a file is looked at."""
MOST_BYTES = 1024 * 1024

Content = TypeVar("Content")


class WatchedFile(Generic[Content]):
    """What a file says. One that can't be read leaves the content before in place; before the first there is `nothing`.

    `what` names it in the log and in faults; `read` raises RowcastError for a text that is wrong. A ConfigMap's files
    change by a link that leads elsewhere, so the content is compared.
    """

    def __init__(
        self,
        what: str,
        path: Path,
        read: Callable[[str], Content],
        nothing: Content,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._path, self._read, self._clock = what, path, read, clock
        self._content = nothing
        self._bytes: bytes | None = None
        self._fault: str | None = None
        self._looked = float("-inf")
        self._look()

    @property
    def content(self) -> Content:
        """As of now; the very same object until the file changes."""
        self._look()
        return self._content

    @property
    def fault(self) -> str | None:
        """Why the file as it is now is not the one in use; None if it is."""
        self._look()
        return self._fault

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        log = get_logger("rowcast.access")
        try:
            with self._path.open("rb") as file:
                found = file.read(MOST_BYTES + 1)
        except OSError as error:
            if self._fault is None or self._bytes is not None:
                log.error(f"{self._what} can't be read; what was before stays", path=str(self._path), reason=str(error))
            self._fault, self._bytes = f"{self._path} can't be read: {error.strerror}", None
            return
        if found == self._bytes:
            return
        self._bytes = found
        try:
            if len(found) > MOST_BYTES:
                raise RowcastError(f"has more than {MOST_BYTES} bytes")
            self._content = self._read(found.decode())
        except (RowcastError, UnicodeDecodeError) as error:
            self._fault = f"{self._path} is refused: {error}"
            log.error(
                f"{self._what} is refused as a whole; what was before stays", path=str(self._path), reason=str(error)
            )
            return
        self._fault = None
        log.info(f"{self._what} read", path=str(self._path))
