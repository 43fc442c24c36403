"""Questions to a part that are answered at once: does it listen, does it answer, is it ready."""

import json
import socket
from collections.abc import Mapping
from typing import Any

import httpx

from rowcast_local.ports import HOST

PROBE_SECONDS = 2.0


def listens(port: int) -> bool:
    """Whether something accepts connections at `port` of the loopback."""
    try:
        with socket.create_connection((HOST, port), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


def answers(url: str, headers: Mapping[str, str] | None = None, ca: str | None = None) -> bool:
    """Whether a GET of `url` gets a 2xx; `ca` is the file of the certificate to trust."""
    try:
        with client(ca) as http:
            return http.get(url, headers=headers).is_success
    except (httpx.HTTPError, OSError):
        return False


def failures(url: str) -> str:
    """Why a service's `/readyz` isn't a 2xx, in its own words; empty when it is, or says nothing."""
    try:
        with client() as http:
            response = http.get(url)
        found: dict[str, Any] = {} if response.is_success else response.json().get("failures", {})
    except (httpx.HTTPError, OSError, json.JSONDecodeError, AttributeError):
        return ""
    return "; ".join(f"{name}: {reason}" for name, reason in found.items())


def client(ca: str | None = None, seconds: float = PROBE_SECONDS) -> httpx.Client:
    """An HTTP client for the loopback, where a proxy from the environment has no business."""
    if ca is None:
        # Loading the machine's certificates takes 20 ms, for connections that are never encrypted.
        return httpx.Client(timeout=seconds, trust_env=False, verify=False)
    import ssl

    return httpx.Client(timeout=seconds, trust_env=False, verify=ssl.create_default_context(cafile=ca))


def connector_runs(connect_url: str, connector: str, login: tuple[str, str]) -> bool:
    """Whether a connector and all its tasks run; a running connector with a failed task captures nothing."""
    try:
        with client() as http:
            response = http.get(f"{connect_url}/connectors/{connector}/status", auth=login)
            status = response.raise_for_status().json()
    except (httpx.HTTPError, OSError, json.JSONDecodeError):
        return False
    states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
    return len(states) > 1 and all(state == "RUNNING" for state in states)
