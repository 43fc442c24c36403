"""What Flux must find at the API server: its definitions, and the GitRepository and Kustomization of our repository."""

from rowcast_local.engine import Manifest, Objects
from rowcast_local.git_http import USER
from rowcast_local.parts.argocd_objects import GIT_ROOT
from rowcast_local.parts.engine_objects import RBAC, core_path, definitions, made, namespaces, rights, secret
from rowcast_local.parts.flux import APPLICATION, Flux

SOURCE, KUSTOMIZE = "source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io"
ACCOUNT = f"{APPLICATION}-flux"
INTERVAL = "1h"
"""Long, so that it is Rowcast's own asking that makes a commit arrive in seconds."""
RECONCILE_INTERVAL = "10s"
"""How often it looks for what hands have changed in the cluster: Flux doesn't watch what it has applied."""
RULES = [
    {
        "apiGroups": [SOURCE],
        "resources": ["gitrepositories"],
        "resourceNames": [APPLICATION],
        "verbs": ["patch"],
    },
    {
        "apiGroups": [KUSTOMIZE],
        "resources": ["kustomizations"],
        "resourceNames": [APPLICATION],
        "verbs": ["get", "list", "watch"],
    },
]


def flux_objects(flux: Flux) -> Objects:
    """In the order that they need each other."""
    login = secret("rowcast-git-http", flux.namespace, {"username": USER, "password": flux.credentials.git_http})
    own = f"v1/namespaces/{flux.namespace}"
    return [
        *namespaces(flux.namespace, flux.destination),
        *definitions(*flux.definitions),
        (core_path("secrets", login), login),
        *rights(flux.namespace, RULES),
        *account(flux),
        (f"/apis/{SOURCE}/{own}/gitrepositories/{APPLICATION}", git_repository(flux)),
        (f"/apis/{KUSTOMIZE}/{own}/kustomizations/{APPLICATION}", kustomization(flux)),
    ]


def git_repository(flux: Flux) -> Manifest:
    """As the chart has it, for the local repository."""
    return {
        **made(f"{SOURCE}/v1", "GitRepository", APPLICATION, flux.namespace),
        "spec": {
            "interval": INTERVAL,
            "url": flux.url,
            "ref": {"branch": flux.repository.branch},
            "secretRef": {"name": "rowcast-git-http"},
            "ignore": f"/*\n!/{GIT_ROOT}/\n",
        },
    }


def kustomization(flux: Flux) -> Manifest:
    """As the chart has it, for the local repository."""
    return {
        **made(f"{KUSTOMIZE}/v1", "Kustomization", APPLICATION, flux.namespace),
        "spec": {
            "interval": RECONCILE_INTERVAL,
            "retryInterval": RECONCILE_INTERVAL,
            "path": "./",
            "prune": True,
            "force": False,
            "targetNamespace": flux.destination,
            "sourceRef": {"kind": "GitRepository", "name": APPLICATION},
            "serviceAccountName": ACCOUNT,
        },
    }


def account(flux: Flux) -> Objects:
    """As the chart has it: whatever is committed, Flux can make nothing but Rowcast's resources of it."""
    own = f"/apis/{RBAC}/v1/namespaces/{flux.destination}"
    user = made("v1", "ServiceAccount", ACCOUNT, flux.namespace) | {"automountServiceAccountToken": False}
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    rules = [{"apiGroups": ["rowcast.dev"], "resources": ["appconfigs"], "verbs": verbs}]
    role = {**made(f"{RBAC}/v1", "Role", ACCOUNT, flux.destination), "rules": rules}
    binding = {
        **made(f"{RBAC}/v1", "RoleBinding", ACCOUNT, flux.destination),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": flux.namespace}],
    }
    return [
        (core_path("serviceaccounts", user), user),
        (f"{own}/roles/{ACCOUNT}", role),
        (f"{own}/rolebindings/{ACCOUNT}", binding),
    ]
