"""What of a Redis server's settings can lose messages."""

from __future__ import annotations

from rowcast.brokers.redis import warnings


def test_one_that_keeps_all_is_not_warned_of_and_one_whose_settings_are_hidden_neither() -> None:
    assert warnings({"aof_enabled": 1, "appendfsync": "always"}) == []
    assert warnings({"aof_enabled": 1}) == []


def test_one_that_keeps_nothing_or_not_the_last_is_warned_of() -> None:
    assert "append-only file" in warnings({"aof_enabled": 0, "appendfsync": "always"})[0]
    assert "appendfsync always" in warnings({"aof_enabled": 1, "appendfsync": "everysec"})[0]
