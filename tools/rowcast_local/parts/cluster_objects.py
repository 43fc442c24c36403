"""What the API server must know before a row can become a resource: namespace, CRD, and what sync may do."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import yaml

from rowcast_local.parts.kube_apiserver import SYNC, KubeApiServer
from rowcast_local.paths import CHECKOUT
from rowcast_local.probes import client

CRD = CHECKOUT / "services" / "rowcast" / "crds" / "appconfigs.yaml"
FIELD_MANAGER = "rowcast-local"
ROLE = "rowcast-sync"
APPLY_SECONDS = 60.0
"""How long the server may take over one object: some definitions have a megabyte, and a machine may be busy."""
VERBS = ["get", "list", "watch", "create", "patch", "delete"]

Manifest = dict[str, Any]


def cluster_objects(namespace: str, crd: Path = CRD) -> list[tuple[str, Manifest]]:
    """Paths of the API and what is to be there, in the order that they need each other."""
    definition = yaml.safe_load(crd.read_text())
    extensions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    return [
        (f"/api/v1/namespaces/{namespace}", _object("v1", "Namespace", namespace)),
        (f"{extensions}/{definition['metadata']['name']}", definition),
        (f"{rbac}/roles/{ROLE}", _role()),
        (f"{rbac}/rolebindings/{ROLE}", _binding()),
    ]


def apply_cluster_objects(server: KubeApiServer, further: Iterable[str] = ()) -> None:
    """Puts them there, with namespaces for `further` clusters; to repeat it changes nothing.

    Raises httpx.HTTPError if the server refuses or is away.
    """
    for namespace in (server.namespace, *further):
        apply_all(server, cluster_objects(namespace))
    with client(str(server.certificate)) as http:
        _require_served(http, server)


def apply_all(server: KubeApiServer, objects: Iterable[tuple[str, Manifest]]) -> None:
    """Puts them there; to repeat it changes nothing. Raises httpx.HTTPError if the server refuses or is away."""
    with client(str(server.certificate), APPLY_SECONDS) as http:
        for path, manifest in objects:
            _apply(http, server, path, manifest)


def _apply(http: httpx.Client, server: KubeApiServer, path: str, manifest: Manifest) -> None:
    """Puts one object there. Raises httpx.HTTPError if the server refuses or is away."""
    http.patch(
        server.url + path,
        params={"fieldManager": FIELD_MANAGER, "force": "true"},
        headers={**server.admin_headers, "content-type": "application/apply-patch+yaml"},
        content=json.dumps(manifest),  # which is YAML, and made in a hundredth of the time
    ).raise_for_status()


def _require_served(http: httpx.Client, server: KubeApiServer) -> None:
    # A definition is accepted some 100 ms before its resources are served.
    url = f"{server.url}/apis/rowcast.dev/v1alpha1/namespaces/{server.namespace}/appconfigs"
    http.get(url, params={"limit": 1}, headers=server.admin_headers).raise_for_status()


def _object(api_version: str, kind: str, name: str) -> Manifest:
    labels = {"app.kubernetes.io/part-of": "rowcast"}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels}}


def _role() -> Manifest:
    rules = [{"apiGroups": ["rowcast.dev"], "resources": ["appconfigs"], "verbs": VERBS}]
    return {**_object("rbac.authorization.k8s.io/v1", "Role", ROLE), "rules": rules}


def _binding() -> Manifest:
    group = "rbac.authorization.k8s.io"
    return {
        **_object(f"{group}/v1", "RoleBinding", ROLE),
        "roleRef": {"apiGroup": group, "kind": "Role", "name": ROLE},
        "subjects": [{"apiGroup": group, "kind": "User", "name": SYNC}],
    }
