"""Passwords that a release needs, made once in the cluster: who renders it can neither keep nor look them up."""

from __future__ import annotations

import secrets
import string
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubernetes import client

from rowcast.core.outcomes import Outcome
from rowcast.crd.apply import REQUEST_SECONDS, MissingError, configuration, translated

LETTERS = string.ascii_letters + string.digits
"""Of a password: what a URL and every server's configuration take as they are, and as many as Helm makes."""
LENGTH = 32
KEPT: Mapping[str, str] = {"helm.sh/resource-policy": "keep"}
"""A release that made the secret by itself before would take it away when it no longer does."""


@dataclass(frozen=True)
class Wanted:
    """A secret: `fixed` values, `random` keys, and `urls` whose `{key}` are values of the others."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    random: Sequence[str] = ()
    urls: Mapping[str, str] = field(default_factory=dict)

    def missing(self, present: Mapping[str, str]) -> dict[str, str]:
        """The values that `present` lacks. What is there stays, and a new URL has it."""
        values = {**{key: _password() for key in self.random}, **self.fixed, **present}
        values = {**{key: url.format_map(values) for key, url in self.urls.items()}, **values}
        return {key: value for key, value in values.items() if key not in present}


def _password() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


class Cluster(Protocol):
    """What making needs of an API server; see ApiServer. Raises TransientError, PermanentError."""

    def read(self, name: str) -> Mapping[str, str] | None:
        """A secret's values, or None."""

    def create(self, body: Mapping[str, Any]) -> None:
        """A secret that is not there yet."""

    def patch(self, name: str, body: Mapping[str, Any]) -> None:
        """More of one that is there."""


def make(cluster: Cluster, wanted: Wanted) -> Outcome:
    """Make the secret, or what it lacks; created, configured or unchanged."""
    present = cluster.read(wanted.name)
    missing = wanted.missing(present or {})
    metadata = {"name": wanted.name, "labels": dict(wanted.labels), "annotations": {**wanted.annotations, **KEPT}}
    if present is None:
        cluster.create({"metadata": metadata, "type": "Opaque", "stringData": missing})
        return Outcome.CREATED
    cluster.patch(wanted.name, {"metadata": {"annotations": dict(KEPT)}, "stringData": missing})
    return Outcome.CONFIGURED if missing else Outcome.UNCHANGED


class ApiServer:
    """The secrets of one namespace, over the official client; its exceptions end here."""

    def __init__(self, kubeconfig: str | None, namespace: str) -> None:
        self._api = client.CoreV1Api(client.ApiClient(configuration(kubeconfig)))
        self._namespace = namespace

    def read(self, name: str) -> Mapping[str, str] | None:
        """A secret's values, or None."""
        try:
            with translated():
                found = self._api.read_namespaced_secret(name, self._namespace, _request_timeout=REQUEST_SECONDS)
        except MissingError:
            return None
        return {key: b64decode(value).decode() for key, value in (found.data or {}).items()}

    def create(self, body: Mapping[str, Any]) -> None:
        """A secret that is not there yet; a TransientError if somebody was quicker."""
        secret: Any = dict(body)  # a model would be built for nothing
        with translated():
            self._api.create_namespaced_secret(self._namespace, secret, _request_timeout=REQUEST_SECONDS)

    def patch(self, name: str, body: Mapping[str, Any]) -> None:
        """More of one that is there."""
        with translated():
            self._api.patch_namespaced_secret(name, self._namespace, dict(body), _request_timeout=REQUEST_SECONDS)
