"""The other end of a Git target: asks the GitOps engine to look, and reads back what came of it."""

from rowcast.sync.gitops.service import GitOps

__all__ = ["GitOps"]
