"""What both engines must find at the API server has these in common."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rowcast_local.engine import Manifest, Objects
from rowcast_local.parts.cluster_objects import FIELD_MANAGER
from rowcast_local.parts.kube_apiserver import GITOPS

RBAC = "rbac.authorization.k8s.io"


def made(api_version: str, kind: str, name: str, namespace: str | None = None) -> Manifest:
    """An object of ours, without its content."""
    metadata: Manifest = {"name": name, "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER}}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def namespaces(*names: str) -> Objects:
    """One each."""
    return [(f"/api/v1/namespaces/{name}", made("v1", "Namespace", name)) for name in names]


def definitions(*files: Path) -> Objects:
    """The custom resource definitions of `files`."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    found = [yaml.load(file.read_text(), yaml.CSafeLoader) for file in files]
    return [(f"{path}/{one['metadata']['name']}", one) for one in found]


def secret(name: str, namespace: str, values: dict[str, str]) -> Manifest:
    """An opaque one."""
    given = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {**made("v1", "Secret", name, namespace), "type": "Opaque", "data": given}


def core_path(resource: str, manifest: Manifest) -> str:
    """Of an object of the core API, in a namespace."""
    metadata = manifest["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/{resource}/{metadata['name']}"


def rights(namespace: str, rules: Sequence[dict[str, Any]]) -> Objects:
    """As the chart has them: sync-git asks its application for a refresh, and reads what came of it."""
    role = {**made(f"{RBAC}/v1", "Role", GITOPS, namespace), "rules": list(rules)}
    binding = {
        **made(f"{RBAC}/v1", "RoleBinding", GITOPS, namespace),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": GITOPS},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": GITOPS}],
    }
    path = f"/apis/{RBAC}/v1/namespaces/{namespace}"
    return [(f"{path}/roles/{GITOPS}", role), (f"{path}/rolebindings/{GITOPS}", binding)]
