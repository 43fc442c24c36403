"""A command's own sidecar: waited for at the start, and told to end, or a job's pod would never complete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx

from rowcast.check.access import sidecar_token, sidecar_url
from rowcast.core.errors import TransientError
from rowcast.runtime.deadline import Deadline

OLDEST = (1, 18, 2)
"""The oldest Dapr that Rowcast is proven with; what older ones lack, docs/how-to/install-in-a-cluster.md says."""
SHUTDOWN_SECONDS = 10.0
"""How long a sidecar that does not answer yet is asked to end."""


class OwnSidecar:
    """The sidecar of this process, by DAPR_HTTP_PORT and DAPR_API_TOKEN of its environment."""

    def __init__(self, environment: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> None:
        self._url = sidecar_url(environment)
        self._headers = sidecar_token(environment)
        self._transport = transport

    def healthy(self) -> None:
        """Raises TransientError unless the sidecar can be used: outbound, for it waits for no app to be up."""
        self._ask("GET", "/v1.0/healthz/outbound")

    def too_old(self) -> str | None:
        """The sidecar's version if it is older than `OLDEST`; else, or if it says none, None. Raises TransientError."""
        said = self._ask("GET", "/v1.0/metadata").get("runtimeVersion")
        numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(said))
        if numbers is None or tuple(map(int, numbers.groups())) >= OLDEST:
            return None
        return str(said)

    def shut_down(self, deadline: Deadline | None = None) -> None:
        """Lets it end. Raises LateError if it doesn't take that."""
        (deadline or Deadline(SHUTDOWN_SECONDS)).until(lambda: self._ask("POST", "/v1.0/shutdown"))

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        try:
            with httpx.Client(transport=self._transport, timeout=5, trust_env=False) as http:
                answer = http.request(method, f"{self._url}{path}", headers=self._headers)
        except httpx.TransportError as error:
            raise TransientError(f"no sidecar answers at {self._url}: {str(error) or type(error).__name__}") from error
        if answer.is_error:
            raise TransientError(f"the sidecar answers {answer.status_code} to {path}: {answer.text[:200]}")
        answered: dict[str, Any] = answer.json() if answer.content else {}
        return answered
