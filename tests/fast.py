"""`--fast`: the tests that start nothing, for who works on the code: units, and all targets' contract on fakes."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FOLDERS = ("tests/unit", "tests/contract/targets")
FAKE = "memory"
"""The place of the contract that is no real one; it is in the names of its tests."""


def outside(path: Path) -> bool:
    """Whether nothing at this file or folder of the checkout is of `--fast`, so that it need not be imported."""
    here = path.relative_to(CHECKOUT)
    folders = [Path(folder) for folder in FOLDERS]
    return not any(here.is_relative_to(folder) or folder.is_relative_to(here) for folder in folders)


def is_fast(nodeid: str) -> bool:
    """Whether a test starts nothing but itself."""
    path, _, name = nodeid.partition("::")
    return path.startswith("tests/unit/") or (path.startswith("tests/contract/targets/") and FAKE in name)
