"""What a cluster has before anything is installed: names, and volumes to claim."""

from pathlib import Path
from typing import Any

from rowcast_cluster.images import COREDNS
from rowcast_cluster.network import Network

VOLUMES = 48
VOLUME_SIZE = "20Gi"
STORAGE_CLASS = "standard"
COREFILE = """.:5353 {
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa {
        pods insecure
        ttl 5
    }
    cache 5
    loop
    reload
}
"""
DNS_LABELS = {"k8s-app": "kube-dns"}
Object = dict[str, Any]


def cluster_objects(network: Network, volumes: Path, node: str) -> list[Object]:
    """All of them; the volumes are folders of `node` below `volumes`, made here."""
    return [*_dns(network), _storage_class(), *(_volume(volumes, number, node) for number in range(VOLUMES))]


def _storage_class() -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }


def _volume(volumes: Path, number: int, node: str) -> Object:
    folder = volumes / f"{number:02}"
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    where = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"volume-{number:02}"},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [where]}]}},
        },
    }


def _dns(network: Network) -> list[Object]:
    watch = ["list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": watch},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watch},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"}
    subject = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    rbac = "rbac.authorization.k8s.io/v1"
    ports = [{"name": name, "port": 53, "targetPort": 5353, "protocol": name.upper()} for name in ("udp", "tcp")]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named("coredns")},
        {"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "coredns"}, "rules": rules},
        {
            "apiVersion": rbac,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "coredns"},
            "roleRef": role,
            "subjects": [subject],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("coredns"), "data": {"Corefile": COREFILE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**_named("kube-dns"), "labels": DNS_LABELS},
            "spec": {"clusterIP": network.dns_service, "selector": DNS_LABELS, "ports": ports},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**_named("coredns"), "labels": DNS_LABELS},
            "spec": {
                "selector": {"matchLabels": DNS_LABELS},
                "template": {"metadata": {"labels": DNS_LABELS}, "spec": _dns_pod()},
            },
        },
    ]


def _dns_pod() -> Object:
    container = {
        "name": "coredns",
        "image": COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
    }
    return {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "containers": [container],
        "volumes": [{"name": "configuration", "configMap": {"name": "coredns"}}],
    }


def _named(name: str) -> Object:
    return {"name": name, "namespace": "kube-system"}
