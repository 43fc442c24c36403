"""What crud writes as CSV, the dashboard reads as it was; and no spreadsheet takes a cell for a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imports import files
from rowcast.crud.rows.export import COLUMNS, written

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
TEXTS = st.text(st.sampled_from("=+-@'ab, \"\n"), min_size=1, max_size=5).map(lambda text: f"{text}x")


def exported(branch: str) -> str:
    row = dict.fromkeys(COLUMNS, "1") | {"branch": branch}
    return b"".join(written("csv", iter([[row]]))).decode()


@given(TEXTS)
def test_every_text_comes_back_as_it_was_and_none_begins_as_a_formula(branch: str) -> None:
    text = exported(branch)

    (cell,) = (row["branch"] for row in csv.DictReader(io.StringIO(text, newline="")))
    assert not cell.startswith(FORMULAS)
    (row,) = files.read(text, "csv").rows
    assert row["branch"] == branch.strip()


@pytest.mark.parametrize("branch", ["=1+1", "'=1", "''", "'a", "@x"])
def test_these_come_back(branch: str) -> None:
    (row,) = files.read(exported(branch), "csv").rows
    assert row["branch"] == branch
