"""The Git target: one commit per batch, made on objects and pushed with the tip as expectation."""

from rowcast.sync.targets.git.settings import GitSettings
from rowcast.sync.targets.git.target import GitTarget

__all__ = ["GitSettings", "GitTarget"]
