from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit.check.fake_crud import FakeCrud, serving


@pytest.fixture
def crud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCrud]:
    """Behind the port of the own sidecar."""
    fake = FakeCrud()
    with serving(fake) as port:
        monkeypatch.setenv("DAPR_HTTP_PORT", str(port))
        for other in ("ROWCAST_CRUD_URL", "DAPR_API_TOKEN", "APP_API_TOKEN"):
            monkeypatch.delenv(other, raising=False)
        yield fake
