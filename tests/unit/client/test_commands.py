"""The commands on the API's fake; tests/integration/crud/test_client.py runs the same on the real one."""

from __future__ import annotations

from client_contract import ConfigurationsContract, RowsContract


class TestConfigurations(ConfigurationsContract):
    pass


class TestRows(RowsContract):
    pass
