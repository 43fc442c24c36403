"""Settings of one sync instance, and what an environment may have of its own."""

from rowcast.sync.settings.instance import SyncSettings

__all__ = ["SyncSettings"]
