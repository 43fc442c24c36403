"""What Kafka Connect says of the connector."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from rowcast.core.connector import Status, read_status
from rowcast.core.errors import TransientError


@dataclass(frozen=True)
class ConnectFacts:
    """`status` is None where Connect has no such connector; `lsn` where the connector remembers no place in the log."""

    version: str
    status: Status | None
    offsets_known: bool
    lsn: int | None


async def read(client: httpx.AsyncClient, connector: str) -> ConnectFacts:
    """Ask the worker behind the client's base URL. Raises TransientError when it doesn't answer, or not sensibly."""
    try:
        version = (await _get(client, "/"))["version"]
        status = await _find(client, f"/connectors/{connector}/status")
        if status is None:
            return ConnectFacts(version, None, False, None)
        offsets = await _offsets(client, connector)
        return ConnectFacts(version, read_status(status), offsets is not None, _lsn(offsets))
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


async def _get(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).raise_for_status().json()


async def _find(client: httpx.AsyncClient, path: str) -> Any | None:
    response = await client.get(path)
    # While Connect starts, its web server knows no paths yet and answers a bare 404.
    if response.status_code == 404 and "json" in response.headers.get("content-type", ""):
        return None
    return response.raise_for_status().json()


async def _offsets(client: httpx.AsyncClient, connector: str) -> Mapping[str, Any] | None:
    """What KIP-875 tells; None from a worker that is older, or busy with a rebalance."""
    response = await client.get(f"/connectors/{connector}/offsets")
    return response.json() if response.is_success else None


def _lsn(offsets: Mapping[str, Any] | None) -> int | None:
    found = [entry["offset"].get("lsn") for entry in (offsets or {}).get("offsets", ()) if entry.get("offset")]
    return max((lsn for lsn in found if isinstance(lsn, int)), default=None)
