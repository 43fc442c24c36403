"""What the API accepts the database accepts, and the other way round; of URLs the database accepts more."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rowcast.core import rules
from rowcast.core.repository_urls import URL_MAX, URL_PATTERN

CHECKS: Mapping[str, rules.Check] = {
    "name": rules.check_label,
    "environment": rules.check_label,
    "branch": rules.check_branch,
}
GOOD = {"name": "a", "repository_url": "https://x/y", "branch": "main", "environment": "dev"}
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=70)
# Text that is nearly right reaches far deeper into the patterns than text of any kind.
LABELS = (
    ANY | st.from_regex(r"[-a-zA-Z0-9.\n]{0,66}", fullmatch=True) | st.from_regex(rules.LABEL_PATTERN, fullmatch=True)
)
URLS = (
    ANY
    | st.from_regex(URL_PATTERN, fullmatch=True)
    | st.from_regex(r"(https|ssh|ftp|file)?(://|@|:|/|\[|[a-z ])*", fullmatch=True)
)
BRANCHES = ANY | st.from_regex(r"(a|/|\.|\.lock|@|\{|-|~|\\|\n| |é|HEAD)*", fullmatch=True)
SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


INSERT = sa.text(
    "INSERT INTO app_configs (name, repository_url, branch, environment)"
    " VALUES (:name, :repository_url, :branch, :environment)"
)


def broken_constraint(sql: sa.Connection, row: Mapping[str, str]) -> str | None:
    try:
        sql.execute(INSERT, row)
    except sa.exc.IntegrityError as error:
        cause: Any = error.orig
        return str(cause.diag.constraint_name)
    finally:
        sql.execute(sa.text("DELETE FROM app_configs"))
    return None


def judge_of_the_table(value: str) -> bool:
    return len(value) <= URL_MAX and re.fullmatch(URL_PATTERN, value) is not None


def agree(sql: sa.Connection, field: str, value: str) -> None:
    broken = broken_constraint(sql, {**GOOD, field: value})
    assert (CHECKS[field](value) is None) is (broken is None), repr(value)
    assert broken is None or broken.startswith(f"app_configs_{field}_")


@pytest.mark.parametrize("field", ["name", "environment"])
@SETTINGS
@given(value=LABELS)
@example("a" * 63)
@example("a" * 64)
@example("a\n")
@example("ß")
def test_on_labels(sql: sa.Connection, field: str, value: str) -> None:
    agree(sql, field, value)


@SETTINGS
@given(value=URLS)
@example("https://git.example/" + "a" * 2028)
@example("https://git.example/" + "a" * 2029)
@example("git@git.example:shop/checkout.git")
@example("https://user@dev.example/org/_git/x")
@example("ssh://git@[::1]:2222/x")
@example("https://x/y\n")
@example("file:///x")
def test_on_repository_urls(sql: sa.Connection, value: str) -> None:
    accepted = broken_constraint(sql, {**GOOD, "repository_url": value}) is None
    assert accepted is judge_of_the_table(value), repr(value)
    # Rows from before a rule stay; nothing that the API accepts is refused by the database.
    assert accepted or rules.check_url(value, files=True) is not None, repr(value)


@SETTINGS
@given(value=BRANCHES)
@example("")
@example("a" * 255)
@example("a" * 256)
@example("a\n")
@example("feature/größe")
@example("a.lock/b")
@example("\x7f")
@example("\u2028")
def test_on_branches(sql: sa.Connection, value: str) -> None:
    agree(sql, "branch", value)
