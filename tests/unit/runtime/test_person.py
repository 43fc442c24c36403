"""Who runs a command."""

from __future__ import annotations

import os

import pytest

from rowcast.runtime.person import this_user


def test_a_number_without_a_name_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_123)

    assert this_user() == "rowcast"
