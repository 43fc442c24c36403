"""What came with a later micro release than 3.11.0 has no place in our code; linters know minor versions only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pythons.machine import Interpreter, oldest_and_newest

CHECKOUT = Path(__file__).parents[3]
OURS = ("services", "tools", "tests", "ui-streamlit", "images", "charts")
CALLS = {
    ("extractall", "filter"): "3.11.4",
    ("extract", "filter"): "3.11.4",
    ("unpack_archive", "filter"): "3.11.4",
    ("getaddresses", "strict"): "3.11.10",
    ("parseaddr", "strict"): "3.11.10",
}
"""Keyword arguments, by the function's name."""
NAMES = {
    **dict.fromkeys(("data_filter", "tar_filter", "fully_trusted_filter", "FilterError"), "3.11.4"),
    **dict.fromkeys(("SetReparseDeferralEnabled", "GetReparseDeferralEnabled"), "3.11.9"),
    "verify_generated_headers": "3.11.10",
}
"""Attributes and arguments that no other thing is called by."""


def too_new(source: str) -> list[str]:
    """Line, name and the release that it came with, of each use."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for keyword in node.keywords:
                came = CALLS.get((function, keyword.arg or "")) or NAMES.get(keyword.arg or "")
                found += [f"{node.lineno}: {function}({keyword.arg}=) came with {came}"] if came else []
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            found.append(f"{node.lineno}: {node.attr} came with {NAMES[node.attr]}")
        elif isinstance(node, ast.ImportFrom):
            found += [
                f"{node.lineno}: {each.name} came with {NAMES[each.name]}" for each in node.names if each.name in NAMES
            ]
    return found


def test_no_code_of_ours_needs_a_later_micro_release() -> None:
    files = [file for folder in OURS for file in sorted((CHECKOUT / folder).rglob("*.py"))]
    uses = {str(file.relative_to(CHECKOUT)): too_new(file.read_text()) for file in files}

    assert {file: lines for file, lines in uses.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "archive.extractall(root, filter='data')",
        "shutil.unpack_archive(file, filter='data')",
        "tarfile.data_filter(member, root)",
        "from tarfile import fully_trusted_filter",
        "email.utils.parseaddr(text, strict=True)",
        "policy.clone(verify_generated_headers=False)",
    ],
)
def test_a_use_of_what_is_too_new_is_seen(line: str) -> None:
    assert len(too_new(line)) == 1


def test_the_two_ends_are_the_oldest_that_is_promised_and_the_newest() -> None:
    versions = [(3, 13, 0), (3, 10, 13), (3, 11, 7), (3, 11, 2), (3, 12, 1)]

    ends = oldest_and_newest(Interpreter(version, Path("python3")) for version in versions)

    assert [str(each) for each in ends] == ["3.11.2", "3.13.0"]


def test_one_python_is_both_ends() -> None:
    assert [str(each) for each in oldest_and_newest([Interpreter((3, 11, 2), Path("python3"))])] == ["3.11.2"]
