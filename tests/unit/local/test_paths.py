import os
import tempfile
from pathlib import Path

import pytest

from rowcast_local.accounts import SHARED_BASE, reachable_folder
from rowcast_local.paths import State, cache_folder, state_folder


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"ROWCAST_CACHE": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/rowcast"),
        ({"HOME": "/h"}, "/h/.cache/rowcast"),
    ],
)
def test_the_cache_is_where_the_environment_says(environment: dict[str, str], expected: str) -> None:
    assert cache_folder(environment) == Path(expected)


def test_the_state_is_in_the_checkout_unless_the_environment_names_a_folder(tmp_path: Path) -> None:
    assert state_folder(tmp_path, {}) == tmp_path / ".rowcast"
    assert state_folder(tmp_path, {"ROWCAST_STATE": "/s"}) == Path("/s")


def test_a_socket_s_path_is_short_however_deep_the_state_is() -> None:
    deep = Path("/" + "/".join(["folder"] * 60))
    assert len(str(State(deep).sockets / "supervisor.sock")) < 100


def test_the_caller_s_own_parts_stay_where_they_are(tmp_path: Path) -> None:
    assert reachable_folder(tmp_path, "postgres", None) == tmp_path / "postgres"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs parts as another account")
def test_a_folder_that_another_account_may_enter_is_used() -> None:
    # Not under pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory(prefix="rowcast-open-", dir="/tmp") as name:
        base = Path(name)
        base.chmod(0o755)
        assert reachable_folder(base, "postgres", "nobody") == base / "postgres"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs parts as another account")
def test_a_folder_behind_a_closed_one_is_replaced(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    found = reachable_folder(closed / "rowcast", "postgres", "nobody")
    assert found.is_relative_to(SHARED_BASE)
    assert found == reachable_folder(closed / "rowcast", "postgres", "nobody")
    assert found != reachable_folder(closed / "another", "postgres", "nobody")
