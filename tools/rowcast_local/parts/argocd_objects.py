"""What Argo CD must find at the API server: its definitions, its settings, and the Application of our repository."""

import base64
import json

from rowcast_local.engine import Manifest, Objects
from rowcast_local.parts.argocd import APPLICATION, NAMESPACE, ArgoCD
from rowcast_local.parts.engine_objects import core_path, definitions, made, namespaces, rights, secret

GIT_ROOT = "environments"


RULES = [
    {
        "apiGroups": ["argoproj.io"],
        "resources": ["applications"],
        "resourceNames": [APPLICATION],
        "verbs": ["get", "list", "watch", "patch"],
    },
]


def argocd_objects(argocd: ArgoCD) -> Objects:
    """In the order that they need each other."""
    own = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}"
    return [
        *namespaces(NAMESPACE, argocd.destination),
        *definitions(*sorted(argocd.crds.glob("*-crd.yaml"))),
        *((core_path("configmaps", one), one) for one in _settings()),
        *((core_path("secrets", one), one) for one in (_keys(argocd), _cluster(argocd))),
        *rights(NAMESPACE, RULES),
        (f"{own}/appprojects/{APPLICATION}", project(argocd)),
        (f"{own}/applications/{APPLICATION}", application(argocd)),
    ]


def application(argocd: ArgoCD) -> Manifest:
    """As the chart has it, for the local repository."""
    return {
        **made("argoproj.io/v1alpha1", "Application", APPLICATION, NAMESPACE),
        "spec": {
            "project": APPLICATION,
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
    names = ("argocd-cm", "argocd-rbac-cm", "argocd-cmd-params-cm")
    return [_part_of_argocd(made("v1", "ConfigMap", name, NAMESPACE)) for name in names]


def _keys(argocd: ArgoCD) -> Manifest:
    return _part_of_argocd(secret("argocd-secret", NAMESPACE, {"server.secretkey": argocd.credentials.argocd}))


def _cluster(argocd: ArgoCD) -> Manifest:
    """There are no pods here, and so no address of the API server inside of the cluster."""
    authority = base64.b64encode(argocd.server.certificate.read_bytes()).decode()
    login = {"bearerToken": argocd.credentials.kubernetes_admin, "tlsClientConfig": {"caData": authority}}
    values = {"name": "local", "server": argocd.server.url, "config": json.dumps(login, sort_keys=True)}
    one = _part_of_argocd(secret("cluster-local", NAMESPACE, values))
    one["metadata"]["labels"]["argocd.argoproj.io/secret-type"] = "cluster"
    return one


def _part_of_argocd(manifest: Manifest) -> Manifest:
    """It passes over others."""
    manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] = "argocd"
    return manifest


def project(argocd: ArgoCD) -> Manifest:
    """As the chart has it: whatever is committed, nothing but Rowcast's resources gets through."""
    spec = {
        "description": "What Rowcast commits",
        "sourceRepos": [argocd.repository.url],
        "destinations": [{"server": argocd.server.url, "namespace": argocd.destination}],
        "clusterResourceWhitelist": [],
        "namespaceResourceWhitelist": [{"group": "rowcast.dev", "kind": "AppConfig"}],
    }
    return {**made("argoproj.io/v1alpha1", "AppProject", APPLICATION, NAMESPACE), "spec": spec}
