"""Runs the tests of a declaration: each row has to become what its golden file says, or end in its error."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rowcast.core.errors import RowcastError
from rowcast.core.renderer import ExpressionError, Renderer
from rowcast.core.shapes import RowShape
from rowcast.renderers.cel import Language
from rowcast.renderers.columns import check_row
from rowcast.renderers.golden import GoldenTest, as_yaml
from rowcast.renderers.positions import ProblemsError, read
from rowcast.renderers.rendering import render


class Verdict(StrEnum):
    """What became of a test; `written` is one whose golden file is new or has changed."""

    PASSED = "passed"
    WRITTEN = "written"
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """A test's verdict; `reason` says why it failed, or which file was written, and `diff` what differs."""

    verdict: Verdict
    reason: str = ""
    diff: Sequence[str] = ()


class FileError(RowcastError):
    """A file of a test can't be read or written; the text says which and why."""


class Suite:
    """A checked declaration, whose tests have their files in `folder` or below."""

    def __init__(self, folder: Path, renderer: Renderer, shape: RowShape) -> None:
        self._folder = folder
        self._renderer = renderer
        self._shape = shape
        self._language = Language(shape)
        self._written: dict[Path, str] = {}

    def run(self, test: GoldenTest, update: bool) -> Result:
        """With `update` the golden file is made what the row becomes; nothing else is written, and nothing removed."""
        try:
            rendered, error = self._rendered(self._row(test)), None
        except ExpressionError as refused:
            rendered, error = None, str(refused)
        except FileError as missing:
            return Result(Verdict.FAILED, str(missing))
        if rendered is None or test.expect is None:
            return _judged(test, error)
        try:
            return self._updated(test.expect, rendered) if update else self._compared(test.expect, rendered)
        except FileError as unusable:
            return Result(Verdict.FAILED, str(unusable))

    def _row(self, test: GoldenTest) -> Mapping[str, Any]:
        if not isinstance(test.row, str):
            return test.row
        file = self._folder / test.row
        text = _read(file)
        if text is None:
            raise FileError(f"there is no {file}")
        try:
            row = read(text).content
        except ProblemsError as error:
            raise FileError(f"{file}:{error.problems[0]}") from None
        if not isinstance(row, dict):
            raise FileError(f"{file}: must be a mapping of columns to values")
        return row

    def _rendered(self, row: Mapping[str, Any]) -> str:
        check_row(self._shape, row)
        return as_yaml(render(self._renderer, self._language, row))

    def _compared(self, expect: str, rendered: str) -> Result:
        golden = self._folder / expect
        expected = _read(golden)
        if expected is None:
            return Result(Verdict.FAILED, f"there is no {golden}; --update writes it")
        # Editors and hooks take the last line's end away, or add it.
        if expected.removesuffix("\n") == rendered.removesuffix("\n"):
            return Result(Verdict.PASSED)
        lines = (expected.splitlines(), rendered.splitlines())
        diff = list(difflib.unified_diff(*lines, str(golden), "rendered", lineterm=""))
        return Result(Verdict.FAILED, "" if diff else f"{golden} has other ends of lines", diff)

    def _updated(self, expect: str, rendered: str) -> Result:
        golden = self._folder / expect
        place = golden.resolve()
        if not place.is_relative_to(self._folder.resolve()):
            raise FileError(f"{golden} leads out of the declaration's folder, where nothing is written")
        if self._written.setdefault(place, rendered) != rendered:
            raise FileError(f"{golden} is what another test expects, whose row becomes something else")
        if _read(golden) == rendered:
            return Result(Verdict.PASSED)
        try:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(rendered, encoding="utf-8", newline="\n")
        except OSError as error:
            raise FileError(f"{golden}: {error.strerror}") from None
        return Result(Verdict.WRITTEN, str(golden))


def _judged(test: GoldenTest, error: str | None) -> Result:
    """Where there are no manifests to compare: the row was refused, or should have been."""
    if error is None:
        return Result(Verdict.FAILED, f"it is rendered, and not refused by {test.error!r}")
    if test.error is not None and test.error in error:
        return Result(Verdict.PASSED)
    return Result(Verdict.FAILED, error if test.error is None else f"{error}; and not {test.error!r}")


def _read(file: Path) -> str | None:
    """None for a file that isn't there. Raises FileError."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{file}: {getattr(error, 'strerror', None) or 'is no UTF-8'}") from None
