"""Capture by a connector at Kafka Connect: what its REST interface says."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from rowcast.core.capture import ConnectFacts
from rowcast.core.connector import read_status
from rowcast.core.errors import TransientError


class ConnectCapture:
    """The connector of that name at the worker behind `url`. The port `Capture`."""

    def __init__(self, url: str, login: httpx.Auth | None, connector: str, time_limit: float) -> None:
        self._client = httpx.AsyncClient(base_url=url, auth=login, timeout=time_limit, trust_env=False)
        self._connector = connector

    async def aclose(self) -> None:
        """Closes the connections to Connect."""
        await self._client.aclose()

    async def facts(self) -> ConnectFacts:
        """Ask the worker. Raises TransientError when it doesn't answer, or not sensibly."""
        try:
            return await self._facts()
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.UNAUTHORIZED:
                raise TransientError(str(error)) from error
            raise TransientError(
                "it wants another login: see ROWCAST_CONNECT_USERNAME and ROWCAST_CONNECT_PASSWORD"
            ) from error
        except httpx.HTTPError as error:
            raise TransientError(str(error) or type(error).__name__) from error
        except (KeyError, TypeError, ValueError) as error:
            raise TransientError(f"an answer that isn't Kafka Connect's: {error!r}") from error

    async def _facts(self) -> ConnectFacts:
        version = (await self._client.get("/")).raise_for_status().json()["version"]
        status = await self._status()
        if status is None:
            return ConnectFacts(version, None, False, None)
        offsets = await self._offsets()
        return ConnectFacts(version, read_status(status), offsets is not None, _lsn(offsets), _snapshot(offsets))

    async def _status(self) -> Any | None:
        response = await self._client.get(f"/connectors/{self._connector}/status")
        # While Connect starts, its web server knows no paths yet and answers a bare 404.
        if response.status_code == 404 and "json" in response.headers.get("content-type", ""):
            return None
        return response.raise_for_status().json()

    async def _offsets(self) -> Mapping[str, Any] | None:
        """What KIP-875 tells; None from a worker that is older, or busy with a rebalance."""
        response = await self._client.get(f"/connectors/{self._connector}/offsets")
        return response.json() if response.is_success else None


def _places(offsets: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    return (entry["offset"] for entry in (offsets or {}).get("offsets", ()) if entry.get("offset"))


def _lsn(offsets: Mapping[str, Any] | None) -> int | None:
    found = [place.get("lsn") for place in _places(offsets)]
    return max((lsn for lsn in found if isinstance(lsn, int)), default=None)


def _snapshot(offsets: Mapping[str, Any] | None) -> bool:
    # Absent, or "INITIAL" and the like (Debezium 3.x: SourceInfo.SNAPSHOT_KEY in the offset), once `true`.
    return any(place.get("snapshot") for place in _places(offsets))
