"""One place for a module; what a test has killed it starts again."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .place import Place


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Everything running."""
    one = Place(Path(tempfile.mkdtemp(prefix="rowcast-capture-")))
    try:
        one.prepare()
        one.start()
        yield one
    finally:
        one.end()
