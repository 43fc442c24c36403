"""A declaration's `tests`: rows, and what they are to become."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from rowcast.core.renderer import RenderedRow
from rowcast.renderers.positions import Document, Path, Problem, ProblemsError, read

# YAML has had several ideas of what is a number or a boolean; a text that any of them has is quoted.
_AMBIGUOUS = re.compile(r"[-+.0-9][-+.0-9a-fA-FxXoOeE_:]*|[yYnN]|[-+]?\.(inf|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class GoldenTest:
    """A row, and what it becomes: the file `expect`, or a part of the error that it ends in.

    `row` may be the file that has it. Files are relative to the declaration.
    """

    name: str
    row: Mapping[str, Any] | str
    expect: str | None
    error: str | None


def read_tests(text: str) -> list[GoldenTest]:
    """The tests of a declaration. Raises ProblemsError."""
    document = read(text)
    spec = document.content.get("spec") if isinstance(document.content, dict) else None
    value = spec.get("tests") if isinstance(spec, dict) else None
    if value is None:
        return []
    at: Path = ("spec", "tests")
    problems: list[Problem] = []
    if not isinstance(value, list):
        raise ProblemsError([document.problem(at, "must be a list of tests")])
    tests = [_test(document, (*at, index), each, problems) for index, each in enumerate(value)]
    if problems:
        raise ProblemsError(sorted(problems))
    return [test for test in tests if test is not None]


def _test(document: Document, at: Path, value: Any, problems: list[Problem]) -> GoldenTest | None:
    row = value.get("row") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(row, dict | str) or row == "":
        problems.append(document.problem(at, "must have a row: a mapping of columns to values, or a file of it"))
        return None
    for name in value:
        if name not in ("name", "row", "expect", "error"):
            said = "is nothing that a test has; there is name, row, expect, error"
            problems.append(document.problem((*at, name), said))
    expect, error = value.get("expect"), value.get("error")
    if (expect is None) == (error is None):
        problems.append(document.problem(at, "must have either expect, a file, or error, a part of its text"))
    for name in ("name", "expect", "error"):
        if name in value and (not isinstance(value[name], str) or not value[name]):
            problems.append(document.problem((*at, name), "must be a text"))
            return None
    for name, file in (("row", row), ("expect", expect)):
        path = PurePosixPath(file) if isinstance(file, str) else PurePosixPath()
        if path.is_absolute() or ".." in path.parts:
            problems.append(document.problem((*at, name), "must be a file beside the declaration, or below"))
    return GoldenTest(value.get("name") or expect or error or "", row, expect, error)


def as_yaml(row: RenderedRow) -> str:
    """The manifests as YAML, in the order in which they are applied; nothing for a row that has none."""
    return "".join(
        yaml.dump(manifest.content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=120)
        for manifest in row.manifests
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if _AMBIGUOUS.fullmatch(value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
