"""What Argo CD must find at the API server: its definitions, its settings, and the Application of our repository."""

import base64
import json
from typing import Any

import yaml

from rowcast_local.parts.argocd import APPLICATION, NAMESPACE, ArgoCD
from rowcast_local.parts.cluster_objects import FIELD_MANAGER, apply
from rowcast_local.parts.kube_apiserver import GITOPS
from rowcast_local.probes import client

Manifest = dict[str, Any]
GIT_ROOT = "environments"


def argocd_objects(argocd: ArgoCD) -> list[tuple[str, Manifest]]:
    """Paths of the API and what is to be there, in the order that they need each other."""
    crds = [yaml.safe_load(file.read_text()) for file in sorted(argocd.crds.glob("*-crd.yaml"))]
    extensions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    return [
        *((f"/api/v1/namespaces/{name}", _object("v1", "Namespace", name)) for name in (NAMESPACE, argocd.destination)),
        *((f"{extensions}/{crd['metadata']['name']}", crd) for crd in crds),
        *((_path("configmaps", one), one) for one in _settings()),
        *(
            (_path("secrets", one), one)
            for one in (_secret("argocd-secret", {"server.secretkey": argocd.credentials.argocd}), _cluster(argocd))
        ),
        *_rights(),
    ]


def argoproj_objects(argocd: ArgoCD) -> list[tuple[str, Manifest]]:
    """What is of Argo CD's own types."""
    api = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}"
    return [
        (f"{api}/appprojects/default", _project()),
        (f"{api}/applications/{APPLICATION}", application(argocd)),
    ]


def apply_argocd_objects(argocd: ArgoCD) -> None:
    """Puts them there; to repeat it changes nothing. Raises httpx.HTTPError if the server refuses or is away."""
    with client(str(argocd.server.certificate)) as http:
        for path, manifest in (*argocd_objects(argocd), *argoproj_objects(argocd)):
            apply(http, argocd.server, path, manifest)


def application(argocd: ArgoCD) -> Manifest:
    """As the chart has it, for the local repository."""
    return {
        **_object("argoproj.io/v1alpha1", "Application", APPLICATION, NAMESPACE),
        "spec": {
            "project": "default",
            "source": {
                "repoURL": argocd.repository.url,
                "targetRevision": argocd.repository.branch,
                "path": ".",
                "directory": {"recurse": True, "include": f"{GIT_ROOT}/*.yaml"},
            },
            "destination": {"server": argocd.server.url, "namespace": argocd.destination},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True, "allowEmpty": True},
                "syncOptions": ["ServerSideApply=true", "ApplyOutOfSyncOnly=true", "PrunePropagationPolicy=background"],
                "retry": {
                    "limit": -1,
                    "refresh": True,
                    "backoff": {"duration": "2s", "factor": 2, "maxDuration": "15s"},
                },
            },
        },
    }


def _settings() -> list[Manifest]:
    labels = {"app.kubernetes.io/part-of": "argocd"}
    found = []
    for name in ("argocd-cm", "argocd-rbac-cm", "argocd-cmd-params-cm"):
        one = _object("v1", "ConfigMap", name, NAMESPACE)
        one["metadata"]["labels"] |= labels
        found.append(one)
    return found


def _cluster(argocd: ArgoCD) -> Manifest:
    """There are no pods here, and so no address of the API server inside of the cluster."""
    authority = base64.b64encode(argocd.server.certificate.read_bytes()).decode()
    login = {"bearerToken": argocd.credentials.kubernetes_admin, "tlsClientConfig": {"caData": authority}}
    secret = _secret(
        "cluster-local", {"name": "local", "server": argocd.server.url, "config": json.dumps(login, sort_keys=True)}
    )
    secret["metadata"]["labels"]["argocd.argoproj.io/secret-type"] = "cluster"
    return secret


def _rights() -> list[tuple[str, Manifest]]:
    """As the chart has them: sync-git asks its Application for a refresh, and reads what came of it."""
    group = "rbac.authorization.k8s.io"
    rules = [
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["applications"],
            "resourceNames": [APPLICATION],
            "verbs": ["get", "list", "watch", "patch"],
        },
    ]
    binding = {
        "roleRef": {"apiGroup": group, "kind": "Role", "name": GITOPS},
        "subjects": [{"apiGroup": group, "kind": "User", "name": GITOPS}],
    }
    path = f"/apis/{group}/v1/namespaces/{NAMESPACE}"
    return [
        (f"{path}/roles/{GITOPS}", {**_object(f"{group}/v1", "Role", GITOPS, NAMESPACE), "rules": rules}),
        (f"{path}/rolebindings/{GITOPS}", {**_object(f"{group}/v1", "RoleBinding", GITOPS, NAMESPACE), **binding}),
    ]


def _secret(name: str, values: dict[str, str]) -> Manifest:
    one = _object("v1", "Secret", name, NAMESPACE)
    one["metadata"]["labels"]["app.kubernetes.io/part-of"] = "argocd"
    given = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {**one, "type": "Opaque", "data": given}


def _project() -> Manifest:
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "namespaceResourceWhitelist": [{"group": "rowcast.dev", "kind": "AppConfig"}],
    }
    return {**_object("argoproj.io/v1alpha1", "AppProject", "default", NAMESPACE), "spec": spec}


def _object(api_version: str, kind: str, name: str, namespace: str | None = None) -> Manifest:
    metadata: Manifest = {"name": name, "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER}}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _path(resource: str, manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/{resource}/{metadata['name']}"
