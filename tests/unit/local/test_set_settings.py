"""Settings of single parts, as `./task up -- --set` takes them."""

from __future__ import annotations

import pytest

from rowcast_local.set_settings import SettingError, with_settings

PARTS = ("crud", "sync-git")


def test_what_is_set_is_added_to_what_was_set_before() -> None:
    before = {"crud": {"A": "1"}, "sync-git": {"B": "2"}}
    given = ['sync-git.ROWCAST_ENVIRONMENTS={"prod": {"git_branch": "a=b.c"}}', "crud.A=3"]
    assert with_settings(before, given, PARTS) == {
        "crud": {"A": "3"},
        "sync-git": {"B": "2", "ROWCAST_ENVIRONMENTS": '{"prod": {"git_branch": "a=b.c"}}'},
    }


def test_what_is_set_to_nothing_is_taken_away() -> None:
    assert with_settings({"crud": {"A": "1"}}, ["crud.A=", "sync-git.B="], PARTS) == {}


@pytest.mark.parametrize("given", ["crud", "crud=1", "crud.A", "crud.=1", "crud.A B=1", ".A=1"])
def test_what_is_no_setting_is_refused_with_its_form(given: str) -> None:
    with pytest.raises(SettingError, match=r"PART\.VARIABLE=VALUE|no part"):
        with_settings({}, [given], PARTS)


def test_an_unknown_part_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingError, match="no part sync; there is crud, sync-git"):
        with_settings({}, ["sync.A=1"], PARTS)
