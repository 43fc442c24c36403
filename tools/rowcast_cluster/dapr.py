"""Dapr's control plane, by the chart that its Go module has."""

from rowcast_cluster.images import DAPR_REGISTRY
from rowcast_local.provision.golang import DAPR

NAMESPACE = "dapr-system"
# The scheduler can't be built from the module proxy, and Rowcast has neither jobs nor workflows.
VALUES = {
    "global.registry": DAPR_REGISTRY,
    "global.tag": DAPR,
    "global.imagePullPolicy": "IfNotPresent",
    "global.scheduler.enabled": "false",
    "global.mtls.enabled": "true",
    "dapr_placement.cluster.forceInMemoryLog": "true",
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
