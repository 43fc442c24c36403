"""Server-side apply of a CustomResourceDefinition, and the wait until the API server serves it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.outcomes import Outcome

FIELD_MANAGER = "rowcast"
REQUEST_SECONDS = 15
_REFUSED = frozenset({400, 401, 403, 405, 413, 415, 422})


class Cluster(Protocol):
    """What applying needs of an API server; see ApiServer. Raises TransientError, PermanentError."""

    def get(self, name: str) -> Any | None:
        """The definition, or None."""

    def apply(self, body: Mapping[str, Any], *, dry_run: bool) -> Any:
        """The definition as it is (or would be) then."""


def apply(cluster: Cluster, body: Mapping[str, Any], *, dry_run: bool) -> Outcome:
    """Apply one definition under our field manager; what it was is created, configured or unchanged."""
    before = cluster.get(body["metadata"]["name"])
    after = cluster.apply(body, dry_run=dry_run)
    if before is None:
        return Outcome.CREATED
    # A dry run gives a generation too, as if it had happened; labels don't raise it.
    same = (before.metadata.generation, before.metadata.labels) == (after.metadata.generation, after.metadata.labels)
    return Outcome.UNCHANGED if same else Outcome.CONFIGURED


def check_established(cluster: Cluster, name: str) -> None:
    """Raises TransientError until the API server serves the resource, PermanentError if another one has its names."""
    found = cluster.get(name)
    conditions = {one.type: one for one in (found.status.conditions or ())} if found and found.status else {}
    names = conditions.get("NamesAccepted")
    if names is not None and names.status == "False":
        raise PermanentError("names", f"{name}: its names are not accepted: {names.message}")
    established = conditions.get("Established")
    if established is None or established.status != "True":
        raise TransientError(f"{name} is not established yet")


class ApiServer:
    """The definitions of one cluster, and what it says of them, over the official client; its exceptions end here."""

    def __init__(self, kubeconfig: str | None) -> None:
        self._client = client.ApiClient(configuration(kubeconfig))
        self._api = client.ApiextensionsV1Api(self._client)

    def get(self, name: str) -> Any | None:
        """The definition, or None."""
        try:
            with translated():
                return self._api.read_custom_resource_definition(name, _request_timeout=REQUEST_SECONDS)
        except MissingError:
            return None

    def read(self, path: str) -> Any:
        """A document of the API server's, of JSON. Raises TransientError, PermanentError."""
        request = self._client.param_serialize("GET", path, header_params={}, auth_settings=["BearerToken"])
        with translated():
            answer = self._client.call_api(*request, _request_timeout=REQUEST_SECONDS)
            answer.read()
            return json.loads(self._client.response_deserialize(answer, {"200": "bytes"}).data)

    def apply(self, body: Mapping[str, Any], *, dry_run: bool) -> Any:
        """Forced: helm, or whoever made it first, has no business with these fields any more."""
        with translated():
            return self._api.patch_custom_resource_definition(
                body["metadata"]["name"],
                dict(body),
                field_manager=FIELD_MANAGER,
                force=True,
                dry_run="All" if dry_run else None,
                _content_type="application/apply-patch+yaml",
                _request_timeout=REQUEST_SECONDS,
            )


class MissingError(RowcastError):
    """404."""


def configuration(kubeconfig: str | None) -> Any:
    """How the cluster of a file, or of the pod, is reached. Raises PermanentError."""
    settings = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(config_file=kubeconfig, client_configuration=settings, persist_config=False)
    except (config.ConfigException, OSError, yaml.YAMLError) as error:
        raise PermanentError("access", f"no access to a cluster: {error}; KUBECONFIG names one") from error
    return settings


@contextmanager
def translated() -> Iterator[None]:
    """The client's exceptions as ours. Raises MissingError, TransientError, PermanentError."""
    try:
        yield
    except ApiException as error:
        if error.status == 404:
            raise MissingError("not found") from error
        message = f"API server: {error.status}: {_message(error)}"
        if error.status in _REFUSED:
            raise PermanentError("refused", message) from error
        raise TransientError(message) from error
    except (HTTPError, OSError) as error:
        raise TransientError(f"API server: {error}") from error


def _message(error: Any) -> str:
    status = yaml.safe_load(error.body) if error.body else None  # JSON is YAML
    return str(status["message"] if isinstance(status, dict) and "message" in status else error.reason)
