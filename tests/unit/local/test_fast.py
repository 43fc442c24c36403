"""`./task test -- --fast` runs what starts nothing, and says so where people look for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from examples import examples
from fast import is_fast, outside

CHECKOUT = Path(__file__).parents[3]
TASK = str(Path(sys.executable).with_name("task"))


def said(*command: str) -> str:
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("test", "chosen"),
    [
        ("tests/unit/core/test_plan.py::test_a_row", True),
        ("tests/contract/targets/test_previews.py::test_a_preview[memory]", True),
        ("tests/contract/targets/test_target_contract.py::test_an_order[memory-one by one]", True),
        ("tests/contract/targets/test_previews.py::test_a_preview[git]", False),
        ("tests/contract/targets/test_previews.py::test_a_preview[kubernetes]", False),
        ("tests/contract/brokers/test_logins.py::test_a_login[redis]", False),
        ("tests/integration/crud/test_list.py::test_memory", False),
        ("tests/e2e/test_one_change.py::test_a_row", False),
    ],
)
def test_it_is_units_and_contracts_on_fakes(test: str, chosen: bool) -> None:
    assert is_fast(test) is chosen


def test_folders_that_have_none_are_not_even_imported() -> None:
    assert [name for name in os.listdir(CHECKOUT / "tests") if not outside(CHECKOUT / "tests" / name)] == [
        name for name in os.listdir(CHECKOUT / "tests") if name in ("unit", "contract")
    ]


def test_pytest_selects_them_and_its_help_says_so() -> None:
    pytest_ = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0")

    collected = said(
        *pytest_, "--fast", "--collect-only", "-q", "tests/contract/targets/test_previews.py", "tests/alerts"
    )

    tests = [line for line in collected.splitlines() if "::" in line]
    assert tests
    assert all(is_fast(test) for test in tests)
    assert "--fast" in said(*pytest_, "--help")


def test_a_property_is_tried_with_fewer_examples_where_less_is_searched() -> None:
    usual = settings.get_current_profile_name()
    try:
        settings.load_profile("rowcast")
        assert examples(300).max_examples == 300
        settings.load_profile("fast")
        fewer = examples(300, stateful_step_count=7)
        assert (fewer.max_examples, fewer.stateful_step_count) == (60, 7)
    finally:
        settings.load_profile(usual)


def test_the_task_does_lint_and_these_and_gets_no_part() -> None:
    planned = said(TASK, "test", "--dry", "--", "--fast")

    assert "ruff" in planned
    assert 'pytest" -n 2 --fast' in planned
    assert "rowcast_local get" not in planned
    assert "rowcast_local needs" not in planned
    whole = said(TASK, "test", "--dry")
    assert whole.index("rowcast_local needs") < whole.index("mypy") < whole.index("rowcast_local get")
