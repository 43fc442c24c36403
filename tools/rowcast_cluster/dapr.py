"""Dapr's control plane, by the chart that its Go module has."""

from rowcast_cluster.images import DAPR_REGISTRY
from rowcast_local.provision.go_parts import DAPR

NAMESPACE = "dapr-system"
SELECTOR = "dapr_sidecar_injector.namespaceSelector.matchExpressions[0]"
# The scheduler can't be built from the module proxy, and Rowcast has neither jobs nor workflows.
VALUES = {
    "global.registry": DAPR_REGISTRY,
    "global.tag": DAPR,
    "global.imagePullPolicy": "IfNotPresent",
    "global.scheduler.enabled": "false",
    "global.mtls.enabled": "true",
    "dapr_placement.cluster.forceInMemoryLog": "true",
    # What Pod Security's `restricted` wants of the sidecars, and is not Dapr's default.
    "dapr_sidecar_injector.sidecarDropALLCapabilities": "true",
    # The default admits pods without their sidecar while the injector is away; these would then stay so.
    "dapr_sidecar_injector.webhookFailurePolicy": "Fail",
    f"{SELECTOR}.key": "kubernetes.io/metadata.name",
    f"{SELECTOR}.operator": "NotIn",
    f"{SELECTOR}.values": f"{{{NAMESPACE},kube-system}}",
}


def install_arguments(chart: str) -> list[str]:
    """Of helm: installs the control plane and returns when it is ready."""
    settings = [word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")]
    return [
        "install",
        "dapr",
        chart,
        f"--namespace={NAMESPACE}",
        "--create-namespace",
        "--wait",
        "--timeout=5m",
        *settings,
    ]
