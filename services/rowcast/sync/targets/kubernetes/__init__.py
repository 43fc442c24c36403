"""The Kubernetes API as a target: server-side apply under our field manager, every write under a precondition."""

from rowcast.sync.targets.kubernetes.target import KubernetesTarget, connect

__all__ = ["KubernetesTarget", "connect"]
